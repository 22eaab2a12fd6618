"""Forms of a customer's settings and of a person's own."""

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Customer, Language, User
from sensenova_billing.lib.local_time import time_zones
from sensenova_billing.lib.names import is_fit_for_a_name

# Suggested; any other that the time zone database knows is taken too.
TIME_ZONES = sorted(name for name in time_zones() if "/" in name and not name.startswith("Etc/"))


class SettingsForm(forms.ModelForm):  # type: ignore[type-arg]
    """The clock of the customer's pages, and what stands on documents as the buyer."""

    class Meta:
        model = Customer
        fields = ("time_zone", "legal_name", "tax_id", "address", "billing_email")
        labels = {
            "time_zone": _("Time zone"),
            "legal_name": _("Company name"),
            "tax_id": _("Tax number"),
            "address": _("Address"),
            "billing_email": _("E-mail for bills"),
        }
        help_texts = {
            "time_zone": _("The clock of these pages, such as Asia/Shanghai. Billing hours stay the same."),
            "legal_name": _("As it is to stand on documents."),
        }
        widgets = {
            "time_zone": forms.TextInput(attrs={"list": "time-zones", "autocomplete": "off"}),
            "address": forms.Textarea(attrs={"rows": 4, "autocomplete": "street-address"}),
        }

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
