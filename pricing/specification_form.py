"""The form of a call specification: of one that has begun only the end is asked, and only in the future."""

import datetime as dt
from typing import Any

from accounts import clock
from accounts.signed_admin import ReasonedForm
from pricing.models import CallSpecification

FROZEN = ("service", "customer", "rpm", "tpm", "begins_at")


def frozen_fields(specification: CallSpecification | None, *, now: dt.datetime) -> tuple[str, ...]:
    """Return what of a call specification the database lets nobody change any more."""
    if specification is None or specification.begins_at > now:
        return ()
    has_ended = specification.ends_at is not None and specification.ends_at <= now
    return (*FROZEN, "ends_at") if has_ended else FROZEN


class SpecificationForm(ReasonedForm):
    """Asks why, and for an end after the beginning, of what has begun in the future."""

    def clean(self) -> dict[str, Any]:
        """Say at the form what the database would refuse."""
        said = super().clean() or self.cleaned_data
        now, begins_at, ends_at = clock.now(), said.get("begins_at"), said.get("ends_at")
        if begins_at and ends_at and ends_at <= begins_at:
            # Asked about overlaps, the database would fail, because it is no period.
            self.add_error("ends_at", "A call specification must end after it begins.")
        has_begun = self.instance.pk is not None and frozen_fields(self.instance, now=now)
        if has_begun and "ends_at" in self.changed_data and ends_at and ends_at <= now:
            self.add_error("ends_at", "It has begun: its end can only be moved into the future.")
        return said
