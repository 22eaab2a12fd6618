"""The selection of bills: a span of days, a service, a page."""

import datetime as dt
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from accounts.models import Customer
from invoices.documents.months import read_month
from invoices.drilldown.bill_lists import Selection
from pricing.models import Service

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
            raise ValidationError(_("This is not an hour of a bill.")) from error


class MonthKeyField(forms.Field):
    """A month, e.g. `2026-11`."""

    def to_python(self, value: str | None) -> dt.date | None:
        """Read its first day."""
        if not value:
            return None
        try:
            return read_month(value)
        except ValueError as error:
            raise ValidationError(_("This is not a month.")) from error


def _day_field(label: Any) -> forms.DateField:
    return forms.DateField(
        label=label,
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        validators=[MinValueValidator(_FIRST), MaxValueValidator(_LAST)],
        error_messages={"invalid": _("Write the day as year-month-day, such as 2026-11-23.")},
    )


class SelectionForm(forms.Form):
    """Bills of a span of days, both included, by the customer's clock, and of a service."""

    def __init__(self, query: QueryDict, *, services: Sequence[Service]) -> None:
        super().__init__(query)
        self._query = query
        self._services = {service.name: service for service in services}
        by_group = groupby(services, key=lambda service: service.group.name)
        self.fields |= {
            "from": _day_field(_("From")),
            "to": _day_field(_("To, this day included")),
            "service": forms.ChoiceField(
                label=_("Service"),
                required=False,
                choices=[("", _("All services"))]
                + [(name, [(one.name, one.name) for one in group]) for name, group in by_group],
                error_messages={"invalid_choice": _("There is no service of this name.")},
            ),
        }

    def clean(self) -> dict[str, Any]:
        """Refuse a span that ends before it begins, and parameters that would be ignored."""
        cleaned = super().clean() or self.cleaned_data
        first, last = cleaned.get("from"), cleaned.get("to")
        if first and last and last < first:
            self.add_error("to", _("The span ends before it begins, on %(day)s.") % {"day": first})
        for name, values in self._query.lists():
            if name not in self.fields:
                raise ValidationError(_("%(name)s is not known here."), params={"name": name})
            if len(values) > 1:
                raise ValidationError(_("%(name)s is given more than once."), params={"name": name})
        return cleaned

    def selection(self, customer: Customer) -> Selection:
        """Return the selection of the customer's bills."""
        cleaned = self.cleaned_data
        service = self._services.get(cleaned["service"])
        return Selection(
            customer=customer, first_day=cleaned["from"], last_day=cleaned["to"], service=service
        )

    def selected(self) -> dict[str, str]:
        """Return the span and the service as they stand in an address."""
        cleaned = getattr(self, "cleaned_data", {})
        return {name: str(cleaned[name]) for name in ("from", "to", "service") if cleaned.get(name)}


class BillsForm(SelectionForm):
    """A page of them: the newest, or those before or after a bill."""

    older_than = HourKeyField(required=False, widget=forms.HiddenInput)
    newer_than = HourKeyField(required=False, widget=forms.HiddenInput)
    months_before = MonthKeyField(required=False, widget=forms.HiddenInput)
