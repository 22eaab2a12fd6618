"""Alarms: is the closing on time, and are the books consistent?

Eight alarms: an hour that is not closed long after its end, an open hour far beyond the usual, parked hours
without a release, a share of late usage out of the ordinary, usage that is refused, usage in quarantine,
usage above the TPM bought, and a verification that found something or has not run.
Thresholds are settings. Nothing here names a customer or a key. The words are in the language that is active:
the admin's first page has them in its reader's, `/readyz` and mails in English.
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
from django.utils.translation import gettext, ngettext

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
        return Alarm("unclosed", Level.OK, gettext("There is no usage yet."))
    if not ended_for:
        return Alarm("unclosed", Level.OK, gettext("Every hour that has ended is closed."))
    words = {"hour": _minute(hour), "ago": duration_text(ended_for)}
    if ended_for <= settings.ALARM_UNCLOSED_AFTER:
        text = gettext("The hour %(hour)s UTC ended %(ago)s ago and is about to close.")
        return Alarm("unclosed", Level.OK, text % words)
    text = gettext("The hour %(hour)s UTC ended %(ago)s ago and is not closed.")
    return Alarm("unclosed", Level.ALARM, text % words)


def _open_hours(*, hours: int, since: dt.datetime | None) -> Alarm:
    if since is None:
        return Alarm("open_hour", Level.OK, gettext("No open hour is far beyond the usual."))
    text = ngettext(
        "%(hours)s customer's open hour is far beyond the usual, the first since %(since)s UTC.",
        "%(hours)s customers' open hours are far beyond the usual, the first since %(since)s UTC.",
        hours,
    )
    return Alarm("open_hour", Level.ALARM, text % {"hours": f"{hours:,}", "since": _minute(since)})


def _parked(*, waiting: int, oldest: dt.datetime | None) -> Alarm:
    if oldest is None:
        return Alarm("parked", Level.OK, gettext("No hour is parked."))
    text = ngettext(
        "%(hours)s customer's hour waits for review, the oldest since %(oldest)s UTC.",
        "%(hours)s customers' hours wait for review, the oldest since %(oldest)s UTC.",
        waiting,
    )
    return Alarm("parked", Level.WARNING, text % {"hours": f"{waiting:,}", "oldest": _minute(oldest)})


def _late(share: Decimal | None) -> Alarm:
    if share is None:
        return Alarm("late", Level.OK, gettext("Nothing was used in the last closed hours."))
    level = Level.WARNING if share > settings.ALARM_LATE_SHARE else Level.OK
    text = gettext("%(share)s %% of the usage in the last %(hours)s closed hours came late.")
    return Alarm("late", level, text % {"share": f"{share * 100:.1f}", "hours": HOURS_TO_LOOK_BACK})


def _refused(*, now: dt.datetime) -> Alarm:
    # Counted by whole hours: a span of one hour reaches into two.
    since = hour_of(now) - HOUR
    counted = RefusedUsage.objects.filter(hour__gte=since).order_by().values("key")
    by_key = list(counted.annotate(records=Sum("records")).values_list("records", "key"))
    words = {"since": f"{since:%H:%M}"}
    if not by_key:
        return Alarm("refused", Level.OK, gettext("No usage was refused since %(since)s UTC.") % words)
    records, (most, key) = sum(records for records, _ in by_key), max(by_key, key=itemgetter(0))
    level = Level.WARNING if most > settings.ALARM_REFUSED_RECORDS else Level.OK
    text = _refused_without_key(records) if key is None else _refused_with_one_key(records)
    return Alarm("refused", level, text % {**words, "records": f"{records:,}", "most": f"{most:,}"})


def _refused_without_key(records: int) -> str:
    return ngettext(
        "%(records)s usage record was refused since %(since)s UTC, %(most)s of them sent without a valid "
        "key.",
        "%(records)s usage records were refused since %(since)s UTC, %(most)s of them sent without a valid "
        "key.",
        records,
    )


def _refused_with_one_key(records: int) -> str:
    return ngettext(
        "%(records)s usage record was refused since %(since)s UTC, %(most)s of them sent with one key.",
        "%(records)s usage records were refused since %(since)s UTC, %(most)s of them sent with one key.",
        records,
    )


def _in_quarantine() -> Alarm:
    waiting = QuarantinedUsage.objects.filter(state=QuarantineState.WAITING)
    found = waiting.aggregate(records=Count("pk"), oldest=Min("received_at"))
    if not found["records"]:
        return Alarm("quarantine", Level.OK, gettext("No usage waits in quarantine."))
    text = ngettext(
        "%(records)s usage record waits in quarantine, the oldest since %(oldest)s UTC.",
        "%(records)s usage records wait in quarantine, the oldest since %(oldest)s UTC.",
        found["records"],
    )
    words = {"records": f"{found['records']:,}", "oldest": _minute(found["oldest"])}
    return Alarm("quarantine", Level.WARNING, text % words)


def _above_quota(*, now: dt.datetime) -> Alarm:
    overruns = QuotaOverrun.objects.filter(minute__gte=now - HOURS_TO_LOOK_BACK * HOUR).order_by()
    found = overruns.aggregate(
        customers=Count("bill__customer", distinct=True), minutes=Count("pk"), latest=Max("minute")
    )
    words: dict[str, object] = {"hours": HOURS_TO_LOOK_BACK}
    if not found["minutes"]:
        text = gettext("No customer used more than the TPM that it bought in the last %(hours)s hours.")
        return Alarm("above_quota", Level.OK, text % words)
    customers = ngettext("%(number)s customer", "%(number)s customers", found["customers"])
    minutes = ngettext("%(number)s minute", "%(number)s minutes", found["minutes"])
    text = gettext(
        "%(customers)s used more than the TPM bought, in %(minutes)s in the last %(hours)s hours, "
        "the latest %(latest)s UTC."
    )
    words |= {
        "customers": customers % {"number": f"{found['customers']:,}"},
        "minutes": minutes % {"number": f"{found['minutes']:,}"},
        "latest": _minute(found["latest"]),
    }
    return Alarm("above_quota", Level.WARNING, text % words)


def _verified(*, latest: Verification | None, failed: Verification | None, now: dt.datetime) -> Alarm:
    if failed is not None:
        text = ngettext(
            "The books of %(first)s to %(last)s UTC have %(findings)s finding.",
            "The books of %(first)s to %(last)s UTC have %(findings)s findings.",
            failed.findings,
        )
        return Alarm(
            "verification", Level.ALARM, text % {**_span(failed), "findings": f"{failed.findings:,}"}
        )
    first = BillingHour.objects.order_by("hour").values_list("closed_at", flat=True).first()
    since = latest.verified_at if latest else first
    if since is None:
        return Alarm("verification", Level.UNKNOWN, gettext("No hour is closed yet."))
    is_overdue = now - since > settings.ALARM_NOT_VERIFIED_FOR
    if latest is None:
        level = Level.WARNING if is_overdue else Level.UNKNOWN
        return Alarm("verification", level, gettext("The books have not been verified yet."))
    level = Level.WARNING if is_overdue else Level.OK
    text = gettext("The books of %(first)s to %(last)s UTC were found in order %(ago)s ago.")
    return Alarm("verification", level, text % {**_span(latest), "ago": duration_text(now - since)})


def _span(verification: Verification) -> dict[str, str]:
    return {"first": _minute(verification.from_hour), "last": _minute(verification.until_hour)}


def _minute(instant: dt.datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}"


def duration_text(span: dt.timedelta) -> str:
    """Return a span of time to the minute, e.g. `1 h 20 min`."""
    hours, minutes = divmod(span // dt.timedelta(minutes=1), 60)
    words = {"hours": hours, "minutes": minutes}
    return (gettext("%(hours)s h %(minutes)s min") if hours else gettext("%(minutes)s min")) % words


_LATE = load_statement("count_late_records.sql", beside=__file__)
