"""Forms of buying a package, and query parameters of the pages and endpoints of packages."""

import datetime as dt
from typing import Any
from uuid import uuid4

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from invoices.packages.purchase import PurchaseRefused
from invoices.packages.status import PackageState
from pricing.changes.base_form import Text, UtcInstantField, customer_field
from pricing.models import PackageTerms
from pricing.rules.methods import MOST_UNITS, RPM_OF_UNIT, TPM_OF_UNIT
from pricing.rules.validity import MOST_DAYS, MOST_MONTHS, ValidityUnit
from sensenova_billing.lib.admin.number_fields import WholeNumberField
from sensenova_billing.lib.api.query_params import CustomerQuery

MOST_ROWS = 1000
ROWS_A_PAGE = 100
UNIT_TEXT = f"{TPM_OF_UNIT:,} TPM, {RPM_OF_UNIT} RPM"
_BAD_KEY = {"invalid": "is not what an earlier page named"}


def key_field() -> forms.RegexField:
    """A place in a list, as an earlier page named it."""
    return forms.RegexField(
        regex=r"^[1-9][0-9]{0,17}\Z", required=False, strip=False, error_messages=_BAD_KEY
    )


class PageForm(forms.Form):
    """A page of a list: the newest rows, or those before or after a row."""

    older_than = key_field()
    newer_than = key_field()

    def keys(self) -> dict[str, int]:
        """Return the keys as numbers; none if they cannot be read."""
        found = self.cleaned_data if self.is_valid() else {}
        return {name: int(key) for name, key in found.items() if key}


class ShownPurchaseForm(forms.Form):
    """What a page that shows a purchase sends back: an order that is sent twice under this id is one."""

    order_id = forms.UUIDField(widget=forms.HiddenInput)
    begins_at = UtcInstantField(widget=forms.HiddenInput)


class AmountForm(forms.Form):
    """How much of a product: of a TPM package how many units, for how many days or months."""

    def __init__(self, data: Any = None, *, terms: PackageTerms) -> None:
        super().__init__(data)
        if terms.tokens is not None:
            return
        unit = ValidityUnit(terms.validity_unit)
        self.fields["units"] = _number(gettext("Units of %(unit)s") % {"unit": UNIT_TEXT}, most=MOST_UNITS)
        self.fields["periods"] = (
            _number(gettext("Days"), most=MOST_DAYS)
            if unit == ValidityUnit.DAY
            else _number(gettext("Months"), most=MOST_MONTHS)
        )

    def amount(self) -> dict[str, Any]:
        """Return the units and periods, where there are any."""
        return {name: self.cleaned_data[name] for name in ("units", "periods") if name in self.fields}

    def refuse(self, refusal: PurchaseRefused) -> None:
        """Put a refusal on the field that it is about, or on the form."""
        self.add_error(refusal.field if refusal.field in self.fields else None, str(refusal))


class OrderForm(AmountForm, ShownPurchaseForm):
    """A customer's purchase as it was shown."""


def hidden_fields(*, begins_at: dt.datetime, sent: forms.Form | None) -> dict[str, str]:
    """Return what the page that shows a purchase sends back; an order that was refused keeps its id."""
    order_id = getattr(sent, "cleaned_data", {}).get("order_id")
    return {"order_id": str(order_id or uuid4()), "begins_at": begins_at.isoformat()}


def _number(label: str, *, most: int) -> WholeNumberField:
    text = gettext("Give a whole number from 1 to %(most)s.") % {"most": f"{most:,}"}
    return WholeNumberField(
        label=label,
        validators=[MinValueValidator(1, text), MaxValueValidator(most, text)],
        # Not `<input type="number">`, which sends nothing at all for what the browser cannot read.
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        initial=1,
    )


class TermsField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """A product on sale."""

    def label_from_instance(self, terms: Any) -> str:
        """With its method and price."""
        text = gettext("%(product)s: %(method)s, %(price)s RMB")
        if not terms.tokens:
            is_daily = terms.validity_unit == ValidityUnit.DAY
            text = (
                gettext("%(product)s: %(method)s, %(price)s RMB a unit per day")
                if is_daily
                else gettext("%(product)s: %(method)s, %(price)s RMB a unit per month")
            )
        product = terms.product
        method = gettext(product.get_method_display())
        return text % {"product": product.name, "method": method, "price": f"{terms.price:,f}"}


def _optional_number(label: Text, help_text: Text) -> WholeNumberField:
    widget = UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric", "autocomplete": "off"})
    return WholeNumberField(label=label, help_text=help_text, required=False, widget=widget)


class AdminPurchaseForm(forms.Form):
    """For an admin: which product for which customer; of a TPM package how much."""

    customer = customer_field(_("Customer"))
    terms = TermsField(PackageTerms.objects.none(), label=_("Product"), widget=UnfoldAdminSelectWidget)
    units = _optional_number(
        _("Units"), format_lazy(_("Of a TPM package. A unit is {unit}."), unit=UNIT_TEXT)
    )
    periods = _optional_number(
        _("Days or months"), _("Of a TPM package: for how many of what the price is for.")
    )

    def __init__(self, data: Any, *, on_sale: Any) -> None:
        super().__init__(data)
        field: Any = self.fields["terms"]
        field.queryset = on_sale

    def clean(self) -> dict[str, Any]:
        """Require units and periods of a TPM package, and refuse them of a Tokens package."""
        cleaned = super().clean() or self.cleaned_data
        terms = cleaned.get("terms")
        for name in ("units", "periods"):
            given = cleaned.get(name) is not None
            if terms and name not in self.errors and given != (terms.tokens is None):
                self.add_error(name, _("Of a TPM package only.") if given else _("Say how many."))
        return cleaned

    def purchase(self) -> dict[str, Any]:
        """Return what to buy for whom, as `plan_purchase` and `buy_package` take it."""
        return {name: value for name, value in self.cleaned_data.items() if value is not None}

    def refuse(self, refusal: PurchaseRefused) -> None:
        """Put a refusal on the field that it is about, or on the form."""
        self.add_error(refusal.field if refusal.field in self.fields else None, str(refusal))


_LIMIT: dict[str, Any] = {
    "regex": r"^([1-9][0-9]{0,2}|1000)\Z",
    "required": False,
    "strip": False,
    "error_messages": {"invalid": f"must be a whole number from 1 to {MOST_ROWS}"},
}


class DrawsQuery(forms.Form):
    """A package's draws, oldest first, after the place that the page before named."""

    after = key_field()
    limit = forms.RegexField(**_LIMIT)


class PackagesQuery(CustomerQuery):
    """A customer's packages, first bought first, all or those in a state."""

    state = forms.ChoiceField(
        required=False,
        choices=[("", ""), *((state.value, state.label) for state in PackageState)],
        error_messages={"invalid_choice": f"must be one of {', '.join(PackageState)}"},
    )
    after = key_field()
    limit = forms.RegexField(**_LIMIT)
