"""What admins do with call limits: give others, at once or from later on, and take back what is scheduled."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import QuerySet

from accounts.models import Customer
from pricing.changes.apply import Change, State, apply_rows, catalogue_held
from pricing.changes.price_commands import Before, overlaid, taken_back
from pricing.changes.rows import SpecificationRow, key_of
from pricing.changes.stored import specification_row
from pricing.changes.undo import deed_of
from pricing.models import CallSpecification, Service
from sensenova_billing.lib.local_time import minute_text


@dataclass(frozen=True)
class Laid:
    """A call specification that was added, and what became of the others for its sake."""

    specification: CallSpecification
    changes: list[Change]


def lay_limits(
    *,
    service: Service,
    customer: Customer | None,
    rpm: int,
    tpm: int | None,
    begins_at: dt.datetime | None,
    ends_at: dt.datetime | None,
    by: str,
    reason: str,
) -> Laid:
    """Put limits into force over what is there, at once where no beginning is given.

    Raises ValidationError for a period that is over or none, PlanRefused for what the database refuses.
    """
    with catalogue_held():
        now = database_time()
        new = SpecificationRow(
            service=service.name,
            customer=customer.code if customer else "",
            rpm=rpm,
            tpm=tpm,
            begins_at=begins_at or now,
            ends_at=ends_at,
        )
        if new.begins_at < now:
            raise ValidationError("Limits begin in the future, or at once where no beginning is given.")
        if ends_at is not None and ends_at <= new.begins_at:
            raise ValidationError("A call specification must end after it begins.")
        course = course_of(service=service, customer=customer)
        rows = overlaid(new, [specification_row(one) for one in course])
        changes = apply_rows(rows=rows, by=by, reason=reason, now=now)
        return Laid(course.get(begins_at=new.begins_at), changes)


def take_back_limits(*, specification: CallSpecification, by: str, reason: str) -> list[Change]:
    """Remove scheduled limits, and let go on what the deed that brought them had cut or removed.

    Raises ValidationError for what is not scheduled any more, PlanRefused for what the database refuses.
    """
    with catalogue_held():
        now = database_time()
        course = course_of(service=specification.service, customer=specification.customer)
        gone = next((specification_row(one) for one in course if one.pk == specification.pk), None)
        if gone is None or gone.begins_at <= now:
            raise ValidationError(f"{specification}: it is not scheduled any more.")
        before = [
            # A default ends because another follows; a customer's own limits may just have been over.
            Before(specification_row(one), one.pk, one.customer is None)
            for one in course.filter(ends_at=gone.begins_at)
        ]
        rows = taken_back(gone, deed_of(specification), before)
        return apply_rows(rows=rows, by=by, reason=reason, now=now)


def course_of(*, service: Service, customer: Customer | None) -> QuerySet[CallSpecification]:
    """Return all there is for the same service and customer, the earliest first."""
    same = CallSpecification.objects.filter(service=service, customer=customer)
    return same.select_related("service", "customer").order_by("begins_at")


def bare_from(*, service: Service, now: dt.datetime) -> dt.datetime | None:
    """Return from when on the service has no default, if that is so from now on or some later instant on."""
    at = now
    for one in course_of(service=service, customer=None):
        if one.begins_at > at:
            break
        if one.ends_at is None:
            return None
        at = max(at, one.ends_at)
    return at


def database_time() -> dt.datetime:
    """Return the database's time, at which limits end and others begin at once.

    Not the door's: who waited for somebody else's change comes after it, and the database refuses an end
    before the instant at which the transaction began.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT greatest(now(), clock_timestamp())")
        (now,) = cursor.fetchone()
    return now  # type: ignore[no-any-return]


def limits_words(row: SpecificationRow | CallSpecification) -> str:
    """E.g. `60 RPM, 128,000 TPM`."""
    return f"{row.rpm:,} RPM, " + (f"{row.tpm:,} TPM" if row.tpm else "no TPM")


def others_in_words(changes: Sequence[Change], *, but: SpecificationRow | None = None) -> list[str]:
    """Return a sentence on each one that ends, goes on or does not come, `but` the one that was added."""
    told = []
    for change in changes:
        row, before = change.row, change.before
        if not isinstance(row, SpecificationRow) or change.state == State.UNCHANGED:
            continue
        if but is None or key_of(row) != key_of(but):
            told.append(_sentence(row, change.state))
        elif isinstance(before, SpecificationRow):
            told.append(_sentence(before, State.REMOVED))
    return told


def instant_words(instant: dt.datetime) -> str:
    """E.g. `2026-12-01 00:00 UTC`; with seconds where there are some."""
    return f"{minute_text(instant, dt.UTC)} UTC"


def _sentence(row: SpecificationRow, state: State) -> str:
    words = limits_words(row)
    if state == State.REMOVED:
        return f"{words} from {instant_words(row.begins_at)} on does not come."
    if state == State.NEW:
        return f"{words} goes on from {instant_words(row.begins_at)}."
    if row.ends_at is None:
        return f"{words} goes on without an end."
    return f"{words} ends at {instant_words(row.ends_at)}."
