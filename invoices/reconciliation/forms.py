"""The form of a comparison: a customer, a span, and the other side's file."""

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminTextInputWidget

from accounts.models import Customer
from pricing.changes.base_form import instant_field


class ReconcileForm(forms.Form):
    """A customer, a half-open span in the zone of the page, and a CSV file."""

    customer = forms.ModelChoiceField(
        Customer.objects.all(),
        to_field_name="code",
        label=_("Customer code"),
        widget=UnfoldAdminTextInputWidget,
        error_messages={"invalid_choice": _("There is no such customer.")},
    )
    begins_at = instant_field(_("Used from"), _("UTC; the first instant of usage that the file holds."))
    ends_at = instant_field(_("Used until"), _("UTC; end (exclusive)."))
    file = forms.FileField(
        label=_("The other side's file"),
        max_length=200,
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv"}),
        help_text=_(
            "CSV in UTF-8 with a head: event_id, the measures to be compared, such as input_tokens, and "
            "service and occurred_at, by which a call that is missing here has an amount. At most 5 MB; the "
            "command reconcile takes more."
        ),
        error_messages={"empty": _("The file is empty.")},
    )

    def clean(self) -> dict[str, Any]:
        """Refuse a span that ends before it begins."""
        cleaned = super().clean() or self.cleaned_data
        begins_at, ends_at = cleaned.get("begins_at"), cleaned.get("ends_at")
        if begins_at and ends_at and begins_at >= ends_at:
            self.add_error("ends_at", gettext("The span must end after it begins."))
        return cleaned
