"""Forms of the billing actions in the admin: a reason, a corrected price."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts.audit.context import LONGEST_REASON
from accounts.models import Customer
from invoices.models import Rerating
from pricing.changes.base_form import Text, UtcInstantField, is_key, unit_price_field
from pricing.models import Price
from usage.billing_hours import last_closed_hour
from usage.models import HOUR


def whole_hour(instant: dt.datetime) -> None:
    """Refuse an instant within an hour."""
    if instant.minute or instant.second or instant.microsecond:
        raise ValidationError(gettext("Give a whole hour, such as 10:00: hours are billed as a whole."))


class ReasonForm(forms.Form):
    """The reason for an action, stored with it."""

    reason = forms.CharField(
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        label=_("Reason"),
        help_text=_("Saved permanently in the audit trail."),
        error_messages={"required": _("Give a reason: later readers of the books have only this.")},
    )


class RowSelect(AutocompleteSelect):
    """A choice of a price or customer, initial value from the query string."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        """Select only values that can be a primary key: Django would query for anything."""
        return super().optgroups(name, [key for key in value if is_key(str(key))], attr)


def _hour(label: Text, help_text: Text) -> forms.DateTimeField:
    return UtcInstantField(
        label=label,
        help_text=help_text,
        validators=[whole_hour],
        widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local", "step": HOUR.seconds}),
    )


class ReratingForm(forms.Form):
    """Which price was wrong, for which usage, and what it should have been."""

    price = forms.ModelChoiceField(
        Price.objects.with_names(),
        label=_("Price that was wrong"),
        help_text=_("Find it by its service, its billing item or the customer with whom it was agreed."),
        widget=RowSelect(Rerating._meta.get_field("price"), admin.site),
    )
    customer = forms.ModelChoiceField(
        Customer.objects.all(),
        required=False,
        label=_("Only for"),
        help_text=_("One customer; empty: everybody who was charged at the price."),
        widget=RowSelect(Rerating._meta.get_field("customer"), admin.site),
    )
    from_hour = _hour(_("Used from"), _("UTC; the first hour of usage that was charged wrongly."))
    until_hour = _hour(_("Used until"), _("UTC; end (exclusive). Only closed hours."))
    unit_price = unit_price_field(
        _("Corrected unit price (RMB)"),
        help_text=_("For the same unit size as the price that was wrong; 0 charges nothing."),
    )

    def clean(self) -> dict[str, Any]:
        """Refuse a span that ends before it begins, or holds hours that are not closed."""
        cleaned = super().clean() or self.cleaned_data
        begin, end = cleaned.get("from_hour"), cleaned.get("until_hour")
        if begin and end and begin >= end:
            self.add_error("until_hour", gettext("The span must end after it begins."))
        price, customer = cleaned.get("price"), cleaned.get("customer")
        if price and customer and price.customer not in (None, customer):
            text = gettext("This price was agreed with %(customer)s.")
            self.add_error("customer", text % {"customer": price.customer})
        last = last_closed_hour()
        if end and last is None:
            self.add_error("until_hour", gettext("Only closed hours can be re-rated; none is yet."))
        elif end and last and end > last + HOUR:
            text = gettext("Only closed hours can be re-rated; those before %(hour)s UTC are.")
            self.add_error("until_hour", text % {"hour": f"{last + HOUR:%Y-%m-%d %H:%M}"})
        return cleaned
