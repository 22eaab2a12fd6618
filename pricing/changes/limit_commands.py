"""Commands on call limits: add limits, at once or scheduled, and cancel scheduled ones."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext

from accounts.models import Customer
from pricing.changes.apply import RowChange, RowState, apply_rows, catalogue_locked, database_time
from pricing.changes.price_commands import Predecessor, cancelling_rows, superseding_rows
from pricing.changes.rows import SpecificationRow, key_of
from pricing.changes.stored import specification_row
from pricing.changes.undo import superseded_by
from pricing.models import CallSpecification, Service
from pricing.words import tpm_words
from sensenova_billing.lib.local_time import minute_text


@dataclass(frozen=True)
class AddedLimits:
    """A call specification that was added, and the changes to the others that made room for it."""

    specification: CallSpecification
    changes: list[RowChange]


def add_limits(
    *,
    service: Service,
    customer: Customer | None,
    rpm: int,
    tpm: int | None,
    excludes_cached_input: bool = False,
    begins_at: dt.datetime | None,
    ends_at: dt.datetime | None,
    by: str,
    reason: str,
) -> AddedLimits:
    """Add limits that supersede those of the same period, at once if `begins_at` is None.

    Raises ValidationError for a period that is over or none, ChangesRefused for what the database refuses.
    """
    with catalogue_locked():
        now = database_time()
        new = SpecificationRow(
            service=service.name,
            customer=customer.code if customer else "",
            rpm=rpm,
            tpm=tpm,
            excludes_cached_input=excludes_cached_input,
            begins_at=begins_at or now,
            ends_at=ends_at,
        )
        if new.begins_at < now:
            raise ValidationError(
                gettext("Limits begin in the future, or at once where no beginning is given.")
            )
        if ends_at is not None and ends_at <= new.begins_at:
            raise ValidationError(gettext("A call specification must end after it begins."))
        series = specifications_of(service=service, customer=customer)
        rows = superseding_rows(new, [specification_row(one) for one in series])
        changes = apply_rows(rows=rows, by=by, reason=reason, now=now)
        return AddedLimits(series.get(begins_at=new.begins_at), changes)


def cancel_limits(*, specification: CallSpecification, by: str, reason: str) -> list[RowChange]:
    """Remove scheduled limits, and let those that they had truncated or removed resume.

    Raises ValidationError for what is not scheduled any more, ChangesRefused for what the database refuses.
    """
    with catalogue_locked():
        now = database_time()
        series = specifications_of(service=specification.service, customer=specification.customer)
        gone = next((specification_row(one) for one in series if one.pk == specification.pk), None)
        if gone is None or gone.begins_at <= now:
            raise ValidationError(
                gettext("%(limits)s: it is not scheduled any more.") % {"limits": specification}
            )
        before = [
            # A default ends because another follows; a customer's own limits may just have been over.
            Predecessor(specification_row(one), one.pk, one.customer is None)
            for one in series.filter(ends_at=gone.begins_at)
        ]
        rows = cancelling_rows(gone, superseded_by(specification), before)
        return apply_rows(rows=rows, by=by, reason=reason, now=now)


def specifications_of(*, service: Service, customer: Customer | None) -> QuerySet[CallSpecification]:
    """Return the call specifications of a service and customer, the earliest first."""
    same = CallSpecification.objects.filter(service=service, customer=customer)
    return same.select_related("service", "customer").order_by("begins_at")


def without_default_from(*, service: Service, now: dt.datetime) -> dt.datetime | None:
    """Return the instant from which the service has no default limits; None if it always has."""
    at = now
    for one in specifications_of(service=service, customer=None):
        if one.begins_at > at:
            break
        if one.ends_at is None:
            return None
        at = max(at, one.ends_at)
    return at


def limits_text(row: SpecificationRow | CallSpecification) -> str:
    """E.g. `60 RPM, 128,000 TPM`."""
    words = {
        "rpm": f"{row.rpm:,}",
        "tpm": tpm_words(row.tpm, excludes_cached_input=row.excludes_cached_input),
    }
    return gettext("%(rpm)s RPM, %(tpm)s") % words if row.tpm else gettext("%(rpm)s RPM, no TPM") % words


def describe_others(changes: Sequence[RowChange], *, but: SpecificationRow | None = None) -> list[str]:
    """Return a sentence on each row that ends, resumes or is cancelled, except `but`, the one added."""
    sentences = []
    for change in changes:
        row, before = change.row, change.before
        if not isinstance(row, SpecificationRow) or change.state == RowState.UNCHANGED:
            continue
        if but is None or key_of(row) != key_of(but):
            sentences.append(_sentence(row, change.state))
        elif isinstance(before, SpecificationRow):
            sentences.append(_sentence(before, RowState.REMOVED))
    return sentences


def utc_text(instant: dt.datetime) -> str:
    """E.g. `2026-12-01 00:00 UTC`; with seconds where there are some."""
    return f"{minute_text(instant, dt.UTC)} UTC"


def _sentence(row: SpecificationRow, state: RowState) -> str:
    words = {"limits": limits_text(row), "begins": utc_text(row.begins_at)}
    if state == RowState.REMOVED:
        return gettext("%(limits)s from %(begins)s on is cancelled.") % words
    if state == RowState.NEW:
        return gettext("%(limits)s resumes from %(begins)s.") % words
    if row.ends_at is None:
        return gettext("%(limits)s continues without an end.") % words
    return gettext("%(limits)s ends at %(ends)s.") % {**words, "ends": utc_text(row.ends_at)}
