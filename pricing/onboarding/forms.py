"""The form that onboards a customer, with the sections that the person may use."""

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts.api_keys.new_key_fields import new_id_field, refuse_if_used
from accounts.audit.audited_admin import reason_field
from accounts.models import Customer, Scope
from accounts.preferences.forms import SettingsForm
from pricing.changes.base_form import HOUR, unit_price_field
from pricing.changes.checks.steep import SteepChange
from pricing.changes.limit_commands import limits_text
from pricing.changes.price_commands import agree_prices
from pricing.changes.rows import PriceRow
from pricing.models import ITEM_ORDER, BillingItem, CallSpecification, Price, Service
from pricing.onboarding.onboard import NewKey, NewLimits
from sensenova_billing.lib.admin.number_fields import PlainDecimalField, WholeNumberField

CODE_TAKEN = _("A customer with this code exists already.")
MOST_CALLS = 2_147_483_647  # what the database's column holds

# Sections of the page with the fields of each; a person without the right to one does not get its fields.
OWNER, KEY, LIMITS, PRICES = "owner", "key", "limits", "prices"
_FIELDS = {
    OWNER: ("owner_email",),
    KEY: ("key_name", "scopes", "new_id"),
    LIMITS: (),
    PRICES: ("percent_off", "reduced"),
}


def _text_input(**attributes: str) -> UnfoldAdminTextInputWidget:
    return UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", **attributes})


class OnboardingForm(SettingsForm):
    """The customer; and if wanted its owner, a key, limits and own prices."""

    owner_email = forms.EmailField(
        label=_("Owner's e-mail"),
        max_length=254,
        required=False,
        widget=_text_input(),
        help_text=_("Gets an invitation to be the first owner. Empty: nobody is invited yet."),
    )
    key_name = forms.CharField(
        label=_("Name of the key"),
        max_length=100,
        required=False,
        widget=_text_input(),
        help_text=_("Empty: the customer's code."),
    )
    scopes = forms.MultipleChoiceField(
        label=_("The key may"),
        choices=[(scope.value, _(scope.label)) for scope in Scope],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("The key acts for this customer only. With nothing ticked no key is made."),
    )
    new_id = new_id_field()
    percent_off = PlainDecimalField(
        label=_("Percent off"),
        required=False,
        max_digits=10,
        decimal_places=6,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
        help_text=_(
            "Off the list prices of the services that are ticked; without one, off the price in force."
        ),
        widget=_text_input(inputmode="decimal"),
    )
    reduced = forms.ModelMultipleChoiceField(Service.objects.all(), label=_("Services"), required=False)
    reason = reason_field(required=True)

    class Meta:
        model = Customer
        labels = {"code": _("Code"), "name": _("Name"), **SettingsForm.Meta.labels}
        help_texts = SettingsForm.Meta.help_texts
        fields = (
            *("code", "name", "time_zone", "country", "legal_name", "tax_id", "address", "billing_email"),
        )
        widgets = {
            **{name: _text_input() for name in ("code", "name", "legal_name", "tax_id", "billing_email")},
            "country": _text_input(),
            "time_zone": _text_input(list="time-zones"),
            "address": UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        }

    def __init__(self, data: Any = None, *, now: dt.datetime, sections: Collection[str]) -> None:
        super().__init__(data)
        self.sections = sections
        self.steep: Sequence[SteepChange] = ()  # own prices that have to be confirmed
        self.begins_at = now.replace(minute=0, second=0, microsecond=0) + HOUR
        for section, names in _FIELDS.items():
            if section not in sections:
                for name in names:
                    del self.fields[name]
        self._items = list(BillingItem.objects.select_related("service__group").order_by(*ITEM_ORDER))
        self._services = list({item.service_id: item.service for item in self._items}.values())
        if LIMITS in sections:
            self._add_limit_fields(now)
        if PRICES in sections:
            self._add_price_fields()

    @property
    def limits_open(self) -> bool:
        """Whether the page opens the section of limits: something was entered there."""
        return self._is_filled("rpm_", "tpm_")

    @property
    def prices_open(self) -> bool:
        """Whether the page opens the section of prices."""
        return self._is_filled("price_", "percent_off", "reduced")

    def limit_rows(self) -> Iterator[dict[str, Any]]:
        """Return the services with the default limits, and the fields of the customer's own."""
        for service in self._services:
            default = self._defaults.get(service.pk)
            yield {
                "service": service,
                "default": limits_text(default) if default else gettext("none"),
                "rpm": self[f"rpm_{service.pk}"],
                "tpm": self[f"tpm_{service.pk}"],
            }

    def price_rows(self) -> Iterator[dict[str, Any]]:
        """Return the services with their items, everybody's prices, and the fields of the customer's own."""
        ticked = set(self["reduced"].value() or ())
        for service in self._services:
            items = [item for item in self._items if item.service_id == service.pk]
            yield {
                "service": service,
                "ticked": str(service.pk) in ticked,
                "items": [
                    {"item": one, "price": self.general.get(one.pk), "field": self[f"price_{one.pk}"]}
                    for one in items
                ],
            }

    def clean_code(self) -> str:
        """Refuse what the database would refuse, with a text at the field."""
        code: str = self.cleaned_data["code"]
        if Customer.objects.filter(code=code).exists():
            raise ValidationError(CODE_TAKEN)
        return code

    def clean(self) -> dict[str, Any]:
        """Refuse what contradicts itself, and work out the own prices."""
        cleaned = super().clean() or self.cleaned_data
        if KEY in self.sections:
            refuse_if_used(self)
            if cleaned.get("key_name") and not cleaned.get("scopes") and "scopes" not in self.errors:
                self.add_error("scopes", _("Choose what the key may be used for."))
        for service in self._services if LIMITS in self.sections else ():
            if cleaned.get(f"tpm_{service.pk}") and not cleaned.get(f"rpm_{service.pk}"):
                self.add_error(f"rpm_{service.pk}", _("Give the RPM too."))
        self.prices = self._own_prices(cleaned) if PRICES in self.sections else []
        return cleaned

    def key(self) -> NewKey | None:
        """Return the key that is wanted, if one is."""
        data = self.cleaned_data
        if not data.get("scopes"):
            return None
        return NewKey(name=data["key_name"] or data["code"], scopes=data["scopes"], public_id=data["new_id"])

    def limits(self) -> list[NewLimits]:
        """Return the limits that are filled in."""
        data = self.cleaned_data
        return [
            NewLimits(service=service, rpm=rpm, tpm=data[f"tpm_{service.pk}"])
            for service in self._services
            if (rpm := data.get(f"rpm_{service.pk}"))
        ]

    def _is_filled(self, *prefixes: str) -> bool:
        return any(value and name.startswith(prefixes) for name, value in self.data.items())

    def _add_limit_fields(self, now: dt.datetime) -> None:
        defaults = CallSpecification.objects.in_force(at=now).filter(customer=None)
        self._defaults = {one.service_id: one for one in defaults}
        for service in self._services:
            for name in ("rpm", "tpm"):
                label = gettext("%(limit)s of %(service)s") % {"limit": name.upper(), "service": service}
                self.fields[f"{name}_{service.pk}"] = WholeNumberField(
                    label=label,
                    required=False,
                    min_value=1,
                    max_value=MOST_CALLS,
                    widget=_text_input(**{"inputmode": "numeric", "aria-label": label}),
                )

    def _add_price_fields(self) -> None:
        counting = Price.objects.for_everybody().in_force(at=self.begins_at).with_names().by_precedence()
        self.general: dict[int, Price] = {}
        for price in counting:
            self.general.setdefault(price.billing_item_id, price)
        for item in self._items:
            label = gettext("Own price of %(item)s") % {"item": item}
            field = unit_price_field(label, required=False)
            field.widget.attrs["aria-label"] = field.label
            self.fields[f"price_{item.pk}"] = field

    def _own_prices(self, cleaned: dict[str, Any]) -> list[PriceRow]:
        """Return the rows of the own prices; on an error none, with the error at its field."""
        percent, reduced = cleaned.get("percent_off"), set(cleaned.get("reduced") or ())
        given: dict[int, Decimal] = {
            item.pk: value for item in self._items if (value := cleaned.get(f"price_{item.pk}")) is not None
        }
        if percent is not None and not reduced:
            self.add_error("percent_off", _("Tick the services that it is for."))
        if reduced and percent is None and "percent_off" not in self.errors:
            self.add_error("percent_off", _("Give the percentage for the services that are ticked."))
        if self.errors:
            return []
        items = [item for item in self._items if item.service in reduced or item.pk in given]
        try:
            return agree_prices(
                code=cleaned["code"],
                items=items,
                percent_off=percent,
                unit_prices=given,
                begins_at=self.begins_at,
            )
        except ValidationError as error:
            self.add_error("percent_off", error)
            return []
