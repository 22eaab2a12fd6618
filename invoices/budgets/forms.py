"""Forms of a customer's budgets."""

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from pricing.changes.base_form import PlainDecimalField
from pricing.models import Service
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
    period = forms.ChoiceField(
        label=_("In each"),
        choices=[(one.value, _(one.label)) for one in BudgetPeriod],
        initial=BudgetPeriod.MONTH.value,
        help_text=_("By the clock of this customer; weeks begin on Monday."),
    )
