"""What may be asked of the list of bills."""

import datetime as dt

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator

KEY_FORMAT = "%Y%m%dT%HZ"
_FIRST, _LAST = dt.date(2000, 1, 1), dt.date(2200, 1, 1)


class HourKeyField(forms.Field):
    """An hour as it stands in a bill's number, e.g. `20261123T02Z`."""

    def to_python(self, value: str | None) -> dt.datetime | None:
        """Read it as UTC."""
        if not value:
            return None
        try:
            return dt.datetime.strptime(value, KEY_FORMAT).replace(tzinfo=dt.UTC)
        except ValueError as error:
            raise ValidationError("This is not an hour of a bill.") from error


class BillsForm(forms.Form):
    """Bills of one day, or the page before or after a bill."""

    day = forms.DateField(
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        validators=[MinValueValidator(_FIRST), MaxValueValidator(_LAST)],
        error_messages={"invalid": "Write the day as year-month-day, such as 2026-11-23."},
    )
    older_than = HourKeyField(required=False, widget=forms.HiddenInput)
    newer_than = HourKeyField(required=False, widget=forms.HiddenInput)
