"""The forms of a call specification: a new one is laid over what is there; of one that has begun only the end
is asked.
"""

import datetime as dt
from typing import Any

from django import forms
from unfold.widgets import UnfoldBooleanSwitchWidget

from accounts.audit.audited_admin import RequiredReasonForm, reason_field
from pricing.models import CallSpecification
from sensenova_billing.lib import clock

FROZEN = ("service", "customer", "rpm", "tpm", "begins_at")
AT_ONCE = "ends_at_once"


def has_begun(specification: CallSpecification, *, now: dt.datetime) -> bool:
    """Whether it is or was in force, and so is history."""
    return specification.begins_at <= now


def is_in_force(specification: CallSpecification, *, now: dt.datetime) -> bool:
    """Whether it holds at this instant."""
    return has_begun(specification, now=now) and (
        specification.ends_at is None or specification.ends_at > now
    )


def frozen_fields(specification: CallSpecification | None, *, now: dt.datetime) -> tuple[str, ...]:
    """Return what of a call specification the database lets nobody change any more."""
    if specification is None or not has_begun(specification, now=now):
        return ()
    return FROZEN if is_in_force(specification, now=now) else (*FROZEN, "ends_at")


class _DatedForm(RequiredReasonForm):
    """Asks for a period, and why."""

    def clean(self) -> dict[str, Any]:
        """Say at the form that a period ends after it begins."""
        said = super().clean() or self.cleaned_data
        begins_at, ends_at = said.get("begins_at"), said.get("ends_at")
        if begins_at and ends_at and ends_at <= begins_at:
            # Asked about overlaps, the database would fail, because it is no period.
            self.add_error("ends_at", "A call specification must end after it begins.")
        return said


class NewLimitsForm(_DatedForm):
    """Asks for limits that are laid over what is there, from now on or from later on."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        begins = self.fields["begins_at"]
        begins.required = begins.show_hidden_initial = False
        begins.initial = None
        begins.help_text = (
            "UTC, in the future; empty: at once. What the service and customer have then ends there."
        )
        self.fields["ends_at"].help_text = (
            "UTC; empty: no end, or until the next one that is scheduled begins. "
            "Where this one ends, the one that it cut goes on."
        )

    def clean(self) -> dict[str, Any]:
        """Say at the form that nothing begins or ends in the past."""
        said, now = super().clean(), clock.now()
        if said.get("begins_at") and said["begins_at"] <= now:
            self.add_error("begins_at", "What has been stays as it was: leave it empty to begin at once.")
        if said.get("ends_at") and said["ends_at"] <= now:
            self.add_error("ends_at", "It ends in the future.")
        return said

    def _get_validation_exclusions(self) -> set[str]:
        # It may overlap with others: it is laid over them. Without the service nobody asks for overlaps.
        return super()._get_validation_exclusions() | {"service"}  # type: ignore[misc,no-any-return]


class SpecificationForm(_DatedForm):
    """Asks, of what has begun, only for an end: in the future, or at once."""

    ends_at_once = forms.BooleanField(
        label="End at once",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Without limits of its own a customer has the default ones; without those, no calls.",
    )

    def clean(self) -> dict[str, Any]:
        """Say at the form what the database would refuse."""
        said, now = super().clean(), clock.now()
        ends_at = said.get("ends_at")
        begins_at = said.get("begins_at")
        if begins_at and "begins_at" in self.changed_data and begins_at <= now:
            self.add_error("begins_at", "What has been stays as it was: it begins in the future.")
        moved = has_begun(self.instance, now=now) and "ends_at" in self.changed_data
        if moved and not said.get(AT_ONCE) and ends_at and ends_at <= now:
            self.add_error("ends_at", "It has begun: its end can only be moved into the future.")
        return said


class TakeBackForm(forms.Form):
    """Asks why scheduled limits are taken back, and insists."""

    reason = reason_field(required=True)
