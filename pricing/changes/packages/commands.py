"""Commands on package products: put terms on sale, end them, cancel scheduled ones.

Each command returns the rows to apply (see `apply.py`) and changes nothing itself. What happens at once has
no instant yet in its rows: it gets the database's when they are applied.
"""

import datetime as dt
from dataclasses import replace

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from pricing.changes.packages.rows import terms_row, with_parts
from pricing.changes.price_commands import Predecessor, cancelling_rows, superseding_rows
from pricing.changes.rows import AT_ONCE, PackageRow
from pricing.changes.undo import superseded_by
from pricing.models import PackageTerms


def sell_package(*, new: PackageRow, now: dt.datetime) -> list[PackageRow]:
    """Return the rows that put these terms on sale; those of the same product give way to them.

    Raises ValidationError for a period that is over or none.
    """
    begins_at = now if new.begins_at == AT_ONCE else new.begins_at
    if begins_at < now:
        raise ValidationError(gettext("Terms begin in the future, or at once where no beginning is given."))
    if new.ends_at is not None and new.ends_at <= begins_at:
        raise ValidationError(gettext("Terms must end after they begin."))
    others = [terms_row(one) for one in _terms_of(new.product)]
    rows = superseding_rows(replace(new, begins_at=begins_at), others)
    return [_at_once(row, now) for row in rows] if new.begins_at == AT_ONCE else rows


def end_terms(*, terms: PackageTerms, ends_at: dt.datetime | None, now: dt.datetime) -> list[PackageRow]:
    """Return the row that ends these terms, at once if `ends_at` is None.

    Raises ValidationError for an end in the past or before they begin, and for what has ended.
    """
    if terms.ends_at is not None and terms.ends_at <= now:
        raise ValidationError(gettext("These terms have ended already."))
    if ends_at is not None and ends_at < now:
        raise ValidationError(gettext("Terms end in the future, or at once where no end is given."))
    if (ends_at or now) <= terms.begins_at:
        raise ValidationError(gettext("These terms are scheduled to begin then or later: cancel them."))
    return [replace(terms_row(terms), ends_at=ends_at or AT_ONCE)]


def cancel_terms(*, terms: PackageTerms, now: dt.datetime) -> list[PackageRow]:
    """Return the rows that remove scheduled terms; those that they had superseded resume.

    Raises ValidationError for what is not scheduled any more.
    """
    if terms.begins_at <= now:
        raise ValidationError(gettext("These terms have begun: only their end can still be moved."))
    before = [
        # What was truncated resumes; what just ended then does not.
        Predecessor(terms_row(one), one.pk, resumes=False)
        for one in _terms_of(terms.product.name)
        if one.ends_at == terms.begins_at
    ]
    return cancelling_rows(terms_row(terms), superseded_by(terms), before)


def _at_once(row: PackageRow, now: dt.datetime) -> PackageRow:
    return replace(
        row,
        begins_at=AT_ONCE if row.begins_at == now else row.begins_at,
        ends_at=AT_ONCE if row.ends_at == now else row.ends_at,
    )


def _terms_of(product: str) -> list[PackageTerms]:
    return list(with_parts(PackageTerms.objects.filter(product__name=product).order_by("begins_at")))
