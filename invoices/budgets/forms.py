"""Forms of a customer's budgets."""

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from pricing.models import Service
from sensenova_billing.lib.admin.number_fields import PlainDecimalField
from usage.metadata import LONGEST_VALUE, metadata_names
from usage.models import BudgetPeriod

MOST = 999_999_999_999
USUAL_ALERTS = "50, 80, 100"
_NO_SHARES = _("Give whole numbers from 1 to 100, with commas.")


class BudgetTermsForm(forms.Form):
    """What of a budget can be changed."""

    amount = PlainDecimalField(
        label=_("Amount (RMB)"),
        min_value=0,
        max_value=MOST,
        decimal_places=2,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    alerts_at = forms.RegexField(
        r"^\s*(?:\d{1,3}\s*(?:[,，、]\s*\d{1,3}\s*)*)?\Z",
        label=_("Alerts at (percent)"),
        required=False,
        initial=USUAL_ALERTS,
        help_text=_("Whole numbers from 1 to 100, with commas. Empty: no alerts."),
        error_messages={"invalid": _NO_SHARES},
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    is_cap = forms.BooleanField(
        label=_("Stop"),
        required=False,
        help_text=_("Calls that may cost more than what is left are refused until the budget resets."),
    )

    def clean_amount(self) -> Any:
        """Refuse nothing as an amount."""
        amount = self.cleaned_data["amount"]
        if not amount:
            raise forms.ValidationError(gettext("Give an amount above 0."))
        return amount

    def clean_alerts_at(self) -> list[int]:
        """Return the percentages as numbers."""
        words = self.cleaned_data["alerts_at"].replace("，", ",").replace("、", ",")
        shares = [int(word) for word in words.split(",") if word.strip()]
        if not all(1 <= share <= 100 for share in shares):
            raise forms.ValidationError(_NO_SHARES)
        return shares


class BudgetForm(BudgetTermsForm):
    """A new budget."""

    service = forms.ModelChoiceField(
        Service.objects.order_by("name"), label=_("Service"), required=False, empty_label=_("All services")
    )
    metadata_name = forms.ChoiceField(
        label=_("Which calls"),
        required=False,
        help_text=_("All calls, or those with a value in their metadata."),
    )
    metadata_value = forms.CharField(
        label=_("Value"),
        required=False,
        max_length=LONGEST_VALUE,
        help_text=_(
            "As the metadata of calls has it, letter for letter: a name or an id. A budget with a stop "
            "refuses only calls that name it when they are admitted; all that report it count."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    period = forms.ChoiceField(
        label=_("In each"),
        choices=[(one.value, _(one.label)) for one in BudgetPeriod],
        initial=BudgetPeriod.MONTH.value,
        help_text=_("By the clock of this customer; weeks begin on Monday."),
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        choices = [("", _("All calls")), *metadata_names()]
        self.fields["metadata_name"].choices = choices  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Refuse a name without a value, and a value without a name."""
        cleaned = super().clean() or self.cleaned_data
        name, value = cleaned.get("metadata_name"), cleaned.get("metadata_value")
        if name and not value and "metadata_value" not in self.errors:
            self.add_error("metadata_value", gettext("Give the value."))
        if value and not name and "metadata_name" not in self.errors:
            self.add_error("metadata_name", gettext("Choose the name of this value."))
        return cleaned
