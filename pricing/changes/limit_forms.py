"""The forms of call specifications: a new one supersedes others; of one in force only the end can change."""

import datetime as dt
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldBooleanSwitchWidget

from accounts.audit.audited_admin import RequiredReasonForm, reason_field
from pricing.models import CallSpecification
from sensenova_billing.lib import clock

FROZEN = ("service", "customer", "rpm", "tpm", "excludes_cached_input", "begins_at")
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
    """Return the fields of a call specification that the database no longer lets change."""
    if specification is None or not has_begun(specification, now=now):
        return ()
    return FROZEN if is_in_force(specification, now=now) else (*FROZEN, "ends_at")


class _DatedForm(RequiredReasonForm):
    """A period and a reason."""

    def clean(self) -> dict[str, Any]:
        """Refuse a period that ends before it begins."""
        data = super().clean() or self.cleaned_data
        begins_at, ends_at = data.get("begins_at"), data.get("ends_at")
        if begins_at and ends_at and ends_at <= begins_at:
            # Without this, the check for overlaps would fail in the database: it is not a valid range.
            self.add_error("ends_at", _("A call specification must end after it begins."))
        return data


class NewLimitsForm(_DatedForm):
    """New limits, from now on or scheduled."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        begins = self.fields["begins_at"]
        begins.required = begins.show_hidden_initial = False
        begins.initial = None
        begins.help_text = _(
            "UTC, in the future; empty: at once. What the service and customer have then ends there."
        )
        self.fields["ends_at"].help_text = _(
            "UTC; empty: no end, or until the next one that is scheduled begins. "
            "Where this one ends, the one that it superseded resumes."
        )

    def clean(self) -> dict[str, Any]:
        """Refuse a beginning or an end in the past."""
        data, now = super().clean(), clock.now()
        if data.get("begins_at") and data["begins_at"] <= now:
            self.add_error("begins_at", _("What has been stays as it was: leave it empty to begin at once."))
        if data.get("ends_at") and data["ends_at"] <= now:
            self.add_error("ends_at", _("It ends in the future."))
        return data

    def _get_validation_exclusions(self) -> set[str]:
        # New limits may overlap others, which they supersede; without the service Django skips that check.
        return super()._get_validation_exclusions() | {"service"}  # type: ignore[misc,no-any-return]


class SpecificationForm(_DatedForm):
    """A stored specification; once it has begun, only its end can change: in the future, or at once."""

    ends_at_once = forms.BooleanField(
        label=_("End at once"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_("Without limits of its own a customer has the default ones; without those, no calls."),
    )

    def clean(self) -> dict[str, Any]:
        """Refuse what the database would refuse, with a text at the field."""
        data, now = super().clean(), clock.now()
        ends_at = data.get("ends_at")
        begins_at = data.get("begins_at")
        if begins_at and "begins_at" in self.changed_data and begins_at <= now:
            self.add_error("begins_at", _("What has been stays as it was: it begins in the future."))
        moved = has_begun(self.instance, now=now) and "ends_at" in self.changed_data
        if moved and not data.get(AT_ONCE) and ends_at and ends_at <= now:
            self.add_error("ends_at", _("It has begun: its end can only be moved into the future."))
        return data


class CancelForm(forms.Form):
    """The reason for cancelling scheduled limits."""

    reason = reason_field(required=True)
