"""Forms of a customer's settings and of a person's own."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Customer, InvoiceKind, Language, User
from accounts.tax_numbers import TaxNumberRefused, checked_tax_number
from sensenova_billing.lib.admin.choices import translated
from sensenova_billing.lib.local_time import time_zones
from sensenova_billing.lib.names import is_fit_for_a_name

# Suggested; any other that the time zone database knows is taken too.
TIME_ZONES = sorted(name for name in time_zones() if "/" in name and not name.startswith("Etc/"))

# A form that leaves them out, or empty, changes them not.
_STAY_IF_EMPTY = {"country", "invoice_kind"}


class TaxDataForm(forms.ModelForm):  # type: ignore[type-arg]
    """Checks a customer's tax number by the rules of its country, once it enters one of them anew."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        for name in _STAY_IF_EMPTY & set(self.fields):
            self.fields[name].required = False

    def clean_country(self) -> str:
        """In capitals."""
        return str(self.cleaned_data["country"]).upper()

    def clean(self) -> dict[str, Any]:
        """Refuse a number that its country cannot have given."""
        cleaned = super().clean() or self.cleaned_data
        for name in _STAY_IF_EMPTY & set(cleaned):
            cleaned[name] = cleaned[name] or getattr(self.instance, name)
        number, country = cleaned.get("tax_id"), cleaned.get("country", self.instance.country)
        if number and (number, country) != (self.instance.tax_id, self.instance.country):
            try:
                cleaned["tax_id"] = checked_tax_number(country=country, number=number)
            except TaxNumberRefused as refusal:
                self.add_error("tax_id", str(refusal))
        return cleaned


class SettingsForm(TaxDataForm):
    """The clock of the customer's pages, and what stands on documents as the buyer."""

    class Meta:
        model = Customer
        fields: tuple[str, ...] = (
            *("time_zone", "country", "legal_name", "tax_id", "invoice_kind", "address", "phone"),
            *("bank_name", "bank_account", "billing_email"),
        )
        labels = {
            "time_zone": _("Time zone"),
            "country": _("Country"),
            "legal_name": _("Company name"),
            "tax_id": _("Tax number"),
            "invoice_kind": _("Tax invoice"),
            "address": _("Address"),
            "phone": _("Phone"),
            "bank_name": _("Bank"),
            "bank_account": _("Bank account"),
            "billing_email": _("E-mail for bills"),
        }
        help_texts = {
            "time_zone": _("The clock of these pages, such as Asia/Shanghai. Billing hours stay the same."),
            "country": _("Where the tax number was given; ISO 3166, two letters, such as CN or DE."),
            "legal_name": _("As it is to stand on documents."),
            "tax_id": _("In China the unified social credit code; in the EU the VAT number."),
            "invoice_kind": _(
                "What is requested under E-invoices; a special one needs a tax number of China."
            ),
            "phone": _("Phone, bank and account stand on e-invoices of China, if you give them."),
        }
        widgets = {
            "time_zone": forms.TextInput(attrs={"list": "time-zones", "autocomplete": "off"}),
            "country": forms.TextInput(attrs={"list": "countries", "autocomplete": "off"}),
            "address": forms.Textarea(attrs={"rows": 4, "autocomplete": "street-address"}),
        }

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if "invoice_kind" in self.fields:
            kinds: Any = self.fields["invoice_kind"]
            kinds.choices = translated(InvoiceKind.choices)

    def clean_address(self) -> str:
        """Refuse control characters other than the ends of lines."""
        lines = str(self.cleaned_data["address"]).splitlines()
        if not all(is_fit_for_a_name(line) for line in lines):
            raise forms.ValidationError(_("The address must not hold control characters."))
        return "\n".join(line.strip() for line in lines).strip()


class AccountForm(forms.ModelForm):  # type: ignore[type-arg]
    """A person's name and language."""

    language = forms.ChoiceField(
        label=_("Language"), choices=[("", _("as the browser asks for")), *Language.choices], required=False
    )

    class Meta:
        model = User
        fields = ("name", "language")
        labels = {"name": _("Name")}
