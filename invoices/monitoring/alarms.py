"""Alarms: is the closing on time, and are the books consistent?

Eight alarms: an hour that is not closed long after its end, an open hour far beyond the usual, parked hours
without a release, a share of late usage out of the ordinary, usage that is refused, usage in quarantine,
usage above the TPM bought, and a verification that found something or has not run.
Thresholds are settings. Nothing here names a customer or a key.
"""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal, localcontext
from enum import StrEnum
from functools import lru_cache
from operator import itemgetter

from django.conf import settings
from django.db import connection
from django.db.models import Count, Exists, Max, Min, OuterRef, Q, Sum

from invoices.closing.parking import parked_hours
from invoices.models import HourSeal, OpenHourAlarm, QuotaOverrun, Verification
from sensenova_billing.lib.database.statements import load_statement
from usage.billing_hours import EPOCH, hour_of, last_closed_hour, next_hour_to_close
from usage.models import HOUR, BillingHour, QuarantinedUsage, QuarantineState, RefusedUsage

HOURS_TO_LOOK_BACK = 24


class Level(StrEnum):
    """The urgency of an alarm."""

    OK = "ok"
    UNKNOWN = "unknown"  # nothing was looked at yet; it does not ring
    WARNING = "warning"
    ALARM = "alarm"


@dataclass(frozen=True)
class Alarm:
    """One thing that is watched, and how it stands."""

    name: str
    level: Level
    text: str


@dataclass(frozen=True)
class ClosingState:
    """How the closing and the books stand; `alarms` says the same in words."""

    unclosed_hour: dt.datetime | None
    unclosed_for: dt.timedelta
    open_hours: int
    parked: int
    late_share: Decimal | None
    verification: Verification | None
    failed_verification: Verification | None
    alarms: tuple[Alarm, ...]


def state_of_closing(*, now: dt.datetime) -> ClosingState:
    """Return the state of the closing; cheap enough to read every few seconds."""
    hour = next_hour_to_close()
    ended_for = dt.timedelta(0) if hour is None else max(now - hour - HOUR, dt.timedelta(0))
    last = last_closed_hour() or EPOCH
    beyond = OpenHourAlarm.objects.filter(hour__gt=last).order_by()
    open_hours = beyond.aggregate(hours=Count("pk"), since=Min("raised_at"))
    # A release whose closing has come and that is not billed did not help.
    parked = parked_hours().filter(Q(release=None) | Q(release__billing_hour__lte=last))
    oldest = parked.values_list("hour_id", flat=True).first()
    waiting = parked.count()
    share = late_share()
    latest, failed = Verification.objects.first(), _failed_verification()
    return ClosingState(
        unclosed_hour=hour,
        unclosed_for=ended_for,
        open_hours=open_hours["hours"],
        parked=waiting,
        late_share=share,
        verification=latest,
        failed_verification=failed,
        alarms=(
            _unclosed(hour=hour, ended_for=ended_for),
            _open_hours(**open_hours),
            _parked(waiting=waiting, oldest=oldest),
            _late(share),
            _refused(now=now),
            _in_quarantine(),
            _above_quota(now=now),
            _verified(latest=latest, failed=failed, now=now),
        ),
    )


def late_share() -> Decimal | None:
    """Return the share of usage in the last closed hours that came after its own hour was closed, if any."""
    seals = HourSeal.objects.order_by("-hour_id").values_list("hour_id", "sha256")[:HOURS_TO_LOOK_BACK]
    counts = [_late_and_all(hour, bytes(sha256)) for hour, sha256 in seals]
    late, records = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0)
    if not records:
        return None
    with localcontext(prec=6):
        return Decimal(late) / records


# What is closed never changes, so each process counts an hour once; the seal tells hours apart.
@lru_cache(maxsize=4 * HOURS_TO_LOOK_BACK)
def _late_and_all(hour: dt.datetime, sha256: bytes) -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(_LATE, [hour])
        late, records = cursor.fetchone()
    return int(late), int(records)


def _failed_verification() -> Verification | None:
    """Return the last verification with findings whose hours no later one has found in order."""
    cleared = Verification.objects.filter(
        findings=0,
        verified_at__gt=OuterRef("verified_at"),
        from_hour__lte=OuterRef("from_hour"),
        until_hour__gte=OuterRef("until_hour"),
    )
    return Verification.objects.filter(~Exists(cleared), findings__gt=0).first()


def _unclosed(*, hour: dt.datetime | None, ended_for: dt.timedelta) -> Alarm:
    if hour is None:
        return Alarm("unclosed", Level.OK, "There is no usage yet.")
    if not ended_for:
        return Alarm("unclosed", Level.OK, "Every hour that has ended is closed.")
    text = f"The hour {hour:%Y-%m-%d %H:%M} UTC ended {duration_text(ended_for)} ago and is"
    if ended_for <= settings.ALARM_UNCLOSED_AFTER:
        return Alarm("unclosed", Level.OK, f"{text} about to close.")
    return Alarm("unclosed", Level.ALARM, f"{text} not closed.")


def _open_hours(*, hours: int, since: dt.datetime | None) -> Alarm:
    if since is None:
        return Alarm("open_hour", Level.OK, "No open hour is far beyond the usual.")
    who = "1 customer's open hour is" if hours == 1 else f"{hours:,} customers' open hours are"
    text = f"{who} far beyond the usual, the first since {since:%Y-%m-%d %H:%M} UTC."
    return Alarm("open_hour", Level.ALARM, text)


def _parked(*, waiting: int, oldest: dt.datetime | None) -> Alarm:
    if oldest is None:
        return Alarm("parked", Level.OK, "No hour is parked.")
    hours = "1 customer's hour waits" if waiting == 1 else f"{waiting:,} customers' hours wait"
    return Alarm(
        "parked", Level.WARNING, f"{hours} for review, the oldest since {oldest:%Y-%m-%d %H:%M} UTC."
    )


def _late(share: Decimal | None) -> Alarm:
    if share is None:
        return Alarm("late", Level.OK, "Nothing was used in the last closed hours.")
    level = Level.WARNING if share > settings.ALARM_LATE_SHARE else Level.OK
    return Alarm(
        "late",
        level,
        f"{share * 100:.1f} % of the usage in the last {HOURS_TO_LOOK_BACK} closed hours came late.",
    )


def _refused(*, now: dt.datetime) -> Alarm:
    # Counted by whole hours: a span of one hour reaches into two.
    since = hour_of(now) - HOUR
    counted = RefusedUsage.objects.filter(hour__gte=since).order_by().values("key")
    by_key = list(counted.annotate(records=Sum("records")).values_list("records", "key"))
    if not by_key:
        return Alarm("refused", Level.OK, f"No usage was refused since {since:%H:%M} UTC.")
    records, most = sum(records for records, _ in by_key), max(by_key, key=itemgetter(0))
    level = Level.WARNING if most[0] > settings.ALARM_REFUSED_RECORDS else Level.OK
    refused = "1 usage record was" if records == 1 else f"{records:,} usage records were"
    sender = "without a valid key" if most[1] is None else "with one key"
    text = f"{refused} refused since {since:%H:%M} UTC, {most[0]:,} of them sent {sender}."
    return Alarm("refused", level, text)


def _in_quarantine() -> Alarm:
    waiting = QuarantinedUsage.objects.filter(state=QuarantineState.WAITING)
    found = waiting.aggregate(records=Count("pk"), oldest=Min("received_at"))
    if not found["records"]:
        return Alarm("quarantine", Level.OK, "No usage waits in quarantine.")
    wait = "1 usage record waits" if found["records"] == 1 else f"{found['records']:,} usage records wait"
    text = f"{wait} in quarantine, the oldest since {found['oldest']:%Y-%m-%d %H:%M} UTC."
    return Alarm("quarantine", Level.WARNING, text)


def _above_quota(*, now: dt.datetime) -> Alarm:
    overruns = QuotaOverrun.objects.filter(minute__gte=now - HOURS_TO_LOOK_BACK * HOUR).order_by()
    found = overruns.aggregate(
        customers=Count("bill__customer", distinct=True), minutes=Count("pk"), latest=Max("minute")
    )
    since = f"in the last {HOURS_TO_LOOK_BACK} hours"
    if not found["minutes"]:
        return Alarm("above_quota", Level.OK, f"No customer used more than the TPM that it bought {since}.")
    customers = "1 customer" if found["customers"] == 1 else f"{found['customers']:,} customers"
    minutes = "1 minute" if found["minutes"] == 1 else f"{found['minutes']:,} minutes"
    text = f"{customers} used more than the TPM bought, in {minutes} {since}, the latest"
    return Alarm("above_quota", Level.WARNING, f"{text} {found['latest']:%Y-%m-%d %H:%M} UTC.")


def _verified(*, latest: Verification | None, failed: Verification | None, now: dt.datetime) -> Alarm:
    if failed is not None:
        findings = "1 finding" if failed.findings == 1 else f"{failed.findings:,} findings"
        return Alarm("verification", Level.ALARM, f"The books of {failed} have {findings}.")
    first = BillingHour.objects.order_by("hour").values_list("closed_at", flat=True).first()
    since = latest.verified_at if latest else first
    if since is None:
        return Alarm("verification", Level.UNKNOWN, "No hour is closed yet.")
    is_overdue = now - since > settings.ALARM_NOT_VERIFIED_FOR
    if latest is None:
        level = Level.WARNING if is_overdue else Level.UNKNOWN
        return Alarm("verification", level, "The books have not been verified yet.")
    level = Level.WARNING if is_overdue else Level.OK
    return Alarm(
        "verification", level, f"The books of {latest} were found in order {duration_text(now - since)} ago."
    )


def duration_text(span: dt.timedelta) -> str:
    """Return a span of time to the minute, e.g. `1 h 20 min`."""
    minutes = span // dt.timedelta(minutes=1)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


_LATE = load_statement("count_late_records.sql", beside=__file__)
