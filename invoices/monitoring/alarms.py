"""Alarms: is the closing on time, and are the books consistent?

Thirteen alarms: an hour that is not closed long after its end, an open hour far beyond the usual, parked
hours without a release, a share of late usage out of the ordinary, usage that is refused, usage in
quarantine, usage above the TPM bought, call-backs of a payment provider that differ from their orders and
disputes of payments that wait for evidence (where there is a provider), requests for tax invoices that wait
for long, seals that are not stored outside the database (where a place for them is set), canary customers
whose bill is wrong or late (where there are some), and a verification that found something or has not run.
Thresholds are settings. Nothing here names a customer or a key. The words are in the language that is active:
the admin's first page has them in its reader's, `/readyz` and mails in English.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext, gettext_noop, ngettext

from invoices.seals.stores import place_of_seals
from sensenova_billing.lib.database.statements import load_statement
from usage.billing_hours import hour_of
from usage.models import HOUR

HOURS_TO_LOOK_BACK = 24

# A seal is published outside the database within a minute or two; the next hour has closed by then if not.
_PUBLISHED_WITHIN = 2 * HOUR
# What is not answered until then is lost.
_EVIDENCE_IS_NEAR = dt.timedelta(days=2)
# A closed hour and its SHA-256.
Seal = tuple[dt.datetime, bytes]
# Late records and all records of closed hours, which never change: each process counts them once. The seal
# tells hours apart.
_COUNTED: dict[Seal, tuple[int, int]] = {}


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
class LastVerification:
    """When the books of some hours were verified, and with how many findings."""

    verified_at: dt.datetime
    from_hour: dt.datetime
    until_hour: dt.datetime
    findings: int


@dataclass(frozen=True)
class ClosingState:
    """How the closing and the books stand; `alarms` says the same in words."""

    unclosed_hour: dt.datetime | None
    unclosed_for: dt.timedelta
    open_hours: int
    parked: int
    parked_by_hour: dict[dt.datetime, int]  # released or not
    last_seal: Seal | None
    late_share: Decimal | None
    verification: LastVerification | None
    failed_verification: LastVerification | None
    proposals: int  # that wait for a decision
    adjustments: int  # the same of credits and charges by hand
    differing_callbacks: int  # of payments, without a review
    open_disputes: int  # of payments, that wait for evidence
    einvoices: int  # requests for tax invoices that wait
    alarms: tuple[Alarm, ...] = ()


def state_of_closing(*, now: dt.datetime) -> ClosingState:
    """Return the state of the closing; cheap enough to read every few seconds."""
    read = _read(now=now)
    seals = list(zip(read["seal_hours"] or [], map(bytes, read["seals"] or []), strict=True))
    hour = read["last_closed"] + HOUR if read["last_closed"] else read["first_used"]
    state = ClosingState(
        unclosed_hour=hour,
        unclosed_for=dt.timedelta(0) if hour is None else max(now - hour - HOUR, dt.timedelta(0)),
        open_hours=read["open_hours"],
        parked=read["parked_waiting"] or 0,
        parked_by_hour=dict(zip(read["parked_hours"] or [], read["parked"] or [], strict=True)),
        last_seal=seals[0] if seals else None,
        late_share=_late_share(seals),
        verification=_verification(read, "verified_at", "from_hour", "until_hour", "findings"),
        failed_verification=_verification(
            read, "failed_at", "failed_from", "failed_until", "failed_findings"
        ),
        proposals=read["proposals"],
        adjustments=read["adjustments"],
        differing_callbacks=read["differing_callbacks"],
        open_disputes=read["open_disputes"],
        einvoices=read["einvoices"],
    )
    return replace(state, alarms=_alarms(state, read, now=now))


def _read(*, now: dt.datetime) -> dict[str, Any]:
    values: dict[str, Any] = {
        "refused_since": _refused_since(now),
        "overruns_since": now - HOURS_TO_LOOK_BACK * HOUR,
        "seals": HOURS_TO_LOOK_BACK,
        "seals_place": place_of_seals(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_STATE, values)
        return dict(zip((column.name for column in cursor.description), cursor.fetchone(), strict=True))


def _verification(read: Mapping[str, Any], *columns: str) -> LastVerification | None:
    values = [read[column] for column in columns]
    return None if values[0] is None else LastVerification(*values)


def _late_share(seals: Sequence[Seal]) -> Decimal | None:
    """Return the share of usage in these closed hours that came after its own hour was closed, if any."""
    counts = {seal: counted for seal in seals if (counted := _COUNTED.get(seal))}
    if new := [seal for seal in seals if seal not in counts]:
        with connection.cursor() as cursor:
            cursor.execute(_LATE, [[hour for hour, _ in new]])
            found = {hour: (late, records) for hour, late, records in cursor.fetchall()}
        counts |= {seal: found.get(seal[0], (0, 0)) for seal in new}
        _COUNTED.clear()
        _COUNTED.update(counts)
    late, records = (sum(column) for column in zip(*counts.values(), strict=True)) if counts else (0, 0)
    if not records:
        return None
    with localcontext(prec=6):
        return Decimal(late) / records


def _alarms(state: ClosingState, read: Mapping[str, Any], *, now: dt.datetime) -> tuple[Alarm, ...]:
    return (
        _unclosed(hour=state.unclosed_hour, ended_for=state.unclosed_for),
        _open_hours(hours=state.open_hours, since=read["open_hours_since"]),
        _parked(waiting=state.parked, oldest=read["oldest_parked"]),
        _late(state.late_share),
        _refused(read, now=now),
        _in_quarantine(read),
        _above_quota(read),
        *_payments(read, now=now),
        _einvoices(read, now=now),
        *([_published_seals(read)] if place_of_seals() else []),
        *([_canaries(read, now=now)] if settings.CANARY_CUSTOMERS else []),
        _verified(
            latest=state.verification,
            failed=state.failed_verification,
            first_closed_at=read["first_closed_at"],
            now=now,
        ),
    )


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


def _refused_since(now: dt.datetime) -> dt.datetime:
    # Counted by whole hours: a span of one hour reaches into two.
    return hour_of(now) - HOUR


def _refused(read: Mapping[str, Any], *, now: dt.datetime) -> Alarm:
    records, most = read["refused"], read["most_refused"]
    words = {"since": f"{_refused_since(now):%H:%M}"}
    if not records:
        return Alarm("refused", Level.OK, gettext("No usage was refused since %(since)s UTC.") % words)
    level = Level.WARNING if most > settings.ALARM_REFUSED_RECORDS else Level.OK
    is_without_key = read["is_most_without_key"]
    text = _refused_without_key(records) if is_without_key else _refused_with_one_key(records)
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


def _in_quarantine(read: Mapping[str, Any]) -> Alarm:
    records = read["quarantined"]
    if not records:
        return Alarm("quarantine", Level.OK, gettext("No usage waits in quarantine."))
    text = ngettext(
        "%(records)s usage record waits in quarantine, the oldest since %(oldest)s UTC.",
        "%(records)s usage records wait in quarantine, the oldest since %(oldest)s UTC.",
        records,
    )
    words = {"records": f"{records:,}", "oldest": _minute(read["quarantined_since"])}
    return Alarm("quarantine", Level.WARNING, text % words)


def _above_quota(read: Mapping[str, Any]) -> Alarm:
    number, minutes = read["overrun_customers"], read["overrun_minutes"]
    words: dict[str, object] = {"hours": HOURS_TO_LOOK_BACK}
    if not minutes:
        text = gettext("No customer used more than the TPM that it bought in the last %(hours)s hours.")
        return Alarm("above_quota", Level.OK, text % words)
    text = gettext(
        "%(customers)s used more than the TPM bought, in %(minutes)s in the last %(hours)s hours, "
        "the latest %(latest)s UTC."
    )
    words |= {
        "customers": ngettext("%(number)s customer", "%(number)s customers", number)
        % {"number": f"{number:,}"},
        "minutes": ngettext("%(number)s minute", "%(number)s minutes", minutes) % {"number": f"{minutes:,}"},
        "latest": _minute(read["last_overrun"]),
    }
    return Alarm("above_quota", Level.WARNING, text % words)


def _payments(read: Mapping[str, Any], *, now: dt.datetime) -> tuple[Alarm, ...]:
    if settings.PAYMENT_PROVIDER or read["differing_callbacks"] or read["open_disputes"]:
        return _differing_payments(read), _disputes(read, now=now)
    return ()


def _differing_payments(read: Mapping[str, Any]) -> Alarm:
    number = read["differing_callbacks"]
    if not number:
        return Alarm("payment_mismatch", Level.OK, gettext("No payment differs from its order."))
    text = ngettext(
        "%(number)s call-back of a payment differs from the order and waits for a review, the first since "
        "%(since)s UTC.",
        "%(number)s call-backs of payments differ from the orders and wait for a review, the first since "
        "%(since)s UTC.",
        number,
    )
    words = {"number": f"{number:,}", "since": _minute(read["differing_since"])}
    return Alarm("payment_mismatch", Level.WARNING, text % words)


def _disputes(read: Mapping[str, Any], *, now: dt.datetime) -> Alarm:
    number, until = read["open_disputes"], read["evidence_by"]
    if not number:
        return Alarm("dispute", Level.OK, gettext("No dispute of a payment waits for evidence."))
    if until is None:
        text = ngettext(
            "%(number)s dispute of a payment waits for evidence.",
            "%(number)s disputes of payments wait for evidence.",
            number,
        )
        return Alarm("dispute", Level.WARNING, text % {"number": f"{number:,}"})
    text = ngettext(
        "%(number)s dispute of a payment waits for evidence, which is due by %(until)s UTC.",
        "%(number)s disputes of payments wait for evidence, the first of which is due by %(until)s UTC.",
        number,
    )
    level = Level.ALARM if until - now <= _EVIDENCE_IS_NEAR else Level.WARNING
    return Alarm("dispute", level, text % {"number": f"{number:,}", "until": _minute(until)})


def _einvoices(read: Mapping[str, Any], *, now: dt.datetime) -> Alarm:
    number, since = read["einvoices"], read["einvoices_since"]
    if since is None:
        return Alarm("einvoice", Level.OK, gettext("No request for a tax invoice waits."))
    text = ngettext(
        "%(number)s request for a tax invoice waits since %(since)s UTC.",
        "%(number)s requests for tax invoices wait, the first since %(since)s UTC.",
        number,
    )
    level = Level.WARNING if now - since > settings.ALARM_EINVOICE_AFTER else Level.OK
    return Alarm("einvoice", level, text % {"number": f"{number:,}", "since": _minute(since)})


def _published_seals(read: Mapping[str, Any]) -> Alarm:
    last, closed = read["published_until"], read["last_closed"]
    if since := read["publishing_failed_since"]:
        text = gettext("Since %(since)s UTC no seal can be kept outside the database: %(error)s")
        return Alarm(
            "seals", Level.ALARM, text % {"since": _minute(since), "error": read["publishing_error"]}
        )
    if closed is None:
        return Alarm("seals", Level.UNKNOWN, gettext("No hour is closed yet."))
    if last is None:
        return Alarm("seals", Level.UNKNOWN, gettext("No seal is kept outside the database yet."))
    level = Level.WARNING if closed - last >= _PUBLISHED_WITHIN else Level.OK
    text = gettext("Seals are kept outside the database, the last of the hour %(hour)s UTC.")
    return Alarm("seals", level, text % {"hour": _minute(last)})


def _canaries(read: Mapping[str, Any], *, now: dt.datetime) -> Alarm:
    last = read["last_canary"]
    for hours, since, text in (
        (read["canaries_wrong"], read["canary_wrong_since"], _WRONG),
        (read["canaries_late"], read["canary_late_since"], _LATE_CANARIES),
    ):
        if hours:
            words = {"hours": f"{hours:,}", "since": _minute(since)}
            return Alarm("canary", Level.ALARM, gettext(text) % words)
    if now - (last or read["first_canary"] or now) >= 3 * HOUR:
        return Alarm("canary", Level.ALARM, gettext("No canary call was taken for more than two hours."))
    if last is None:
        return Alarm("canary", Level.UNKNOWN, gettext("No canary call was posted yet."))
    text = gettext("Bills of canary customers are as they should be; the last calls were of %(hour)s UTC.")
    return Alarm("canary", Level.OK, text % {"hour": _minute(last)})


_WRONG = gettext_noop(
    "Bills of canary customers are not what a plain sum gives: %(hours)s, the first of %(since)s UTC."
)
_LATE_CANARIES = gettext_noop(
    "Usage of canary customers is not billed in time: %(hours)s, the first of %(since)s UTC."
)


def _verified(
    *,
    latest: LastVerification | None,
    failed: LastVerification | None,
    first_closed_at: dt.datetime | None,
    now: dt.datetime,
) -> Alarm:
    if failed is not None:
        text = ngettext(
            "The books of %(first)s to %(last)s UTC have %(findings)s finding.",
            "The books of %(first)s to %(last)s UTC have %(findings)s findings.",
            failed.findings,
        )
        return Alarm(
            "verification", Level.ALARM, text % {**_span(failed), "findings": f"{failed.findings:,}"}
        )
    since = latest.verified_at if latest else first_closed_at
    if since is None:
        return Alarm("verification", Level.UNKNOWN, gettext("No hour is closed yet."))
    is_overdue = now - since > settings.ALARM_NOT_VERIFIED_FOR
    if latest is None:
        level = Level.WARNING if is_overdue else Level.UNKNOWN
        return Alarm("verification", level, gettext("The books have not been verified yet."))
    level = Level.WARNING if is_overdue else Level.OK
    text = gettext("The books of %(first)s to %(last)s UTC were found in order %(ago)s ago.")
    return Alarm("verification", level, text % {**_span(latest), "ago": duration_text(now - since)})


def _span(verification: LastVerification) -> dict[str, str]:
    return {"first": _minute(verification.from_hour), "last": _minute(verification.until_hour)}


def _minute(instant: dt.datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}"


def duration_text(span: dt.timedelta) -> str:
    """Return a span of time to the minute, e.g. `1 h 20 min`."""
    hours, minutes = divmod(span // dt.timedelta(minutes=1), 60)
    words = {"hours": hours, "minutes": minutes}
    return (gettext("%(hours)s h %(minutes)s min") if hours else gettext("%(minutes)s min")) % words


_STATE = load_statement("read_state.sql", beside=__file__)
_LATE = load_statement("count_late_records.sql", beside=__file__)
