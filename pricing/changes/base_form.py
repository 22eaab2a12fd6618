"""What the forms that change prices have in common: their fields, and initial values from the query."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms.utils import pretty_name
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from accounts.models import Customer
from pricing.changes.rows import PriceRow, Row, at_once
from pricing.models import UNIT_SIZES, moment_text
from pricing.rules.kinds import Kind
from pricing.rules.periods import OUTSIDE, is_within
from pricing.rules.unit_prices import PRICE_DECIMALS, PRICE_DIGITS, validate_unit_price
from pricing.stored_words import stored_in_words
from sensenova_billing.lib.admin.number_fields import PlainDecimalField

HOUR = dt.timedelta(hours=1)
Text = Any  # a str, or one that is translated as it is shown
_IN_FORCE = _("The first instant at which it is in force; in the future.")
_END = _("End (exclusive); empty: no end.")
_CODE = _("The customer's code.")
LONGEST_ACTION = 200
OFFERED_CODES = 500


def require_within(instant: dt.datetime) -> None:
    """Refuse an instant outside the years in which prices lie."""
    if not is_within(instant):
        raise ValidationError(stored_in_words(OUTSIDE))


def is_key(text: str) -> bool:
    """Whether this can be a primary key: a query string may hold anything, 5,000 digits too."""
    return text.isascii() and text.isdigit() and len(text) < 19


class UtcInstantField(forms.DateTimeField):
    """An instant that has a date in UTC: at the ends of the calendar an offset leads out of it."""

    def to_python(self, value: Any) -> dt.datetime | None:
        """Read it in UTC, or refuse it."""
        try:
            instant = super().to_python(value)
            return instant.astimezone(dt.UTC) if instant else None
        except OverflowError as error:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from error


def instant_field(label: Text, help_text: Text, *, required: bool = True) -> forms.DateTimeField:
    """Ask for an instant."""
    return UtcInstantField(
        label=label,
        help_text=help_text,
        required=required,
        validators=[require_within],
        widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"}),
    )


def begins_field(help_text: Text = _IN_FORCE, *, required: bool = False) -> Any:
    """Ask from when on; not needed where a form asks for *now* as well."""
    return instant_field(_("From"), help_text, required=required)


def now_field(label: Text) -> forms.BooleanField:
    """Ask whether it happens at once, whatever instant is given."""
    return forms.BooleanField(
        label=label,
        required=False,
        help_text=_("At the next possible instant: when the change is applied."),
        widget=UnfoldBooleanWidget,
    )


def ends_field(help_text: Text = _END) -> Any:
    """Ask until when, if there is an end."""
    return instant_field(_("Until"), help_text, required=False)


def unit_price_field(label: Text, *, required: bool = True, help_text: Text = "") -> forms.DecimalField:
    """Ask for a unit price in RMB."""
    return PlainDecimalField(
        label=label,
        required=required,
        help_text=help_text,
        max_digits=PRICE_DIGITS,
        decimal_places=PRICE_DECIMALS,
        validators=[validate_unit_price],
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )


def unit_size_field() -> forms.TypedChoiceField:
    """Ask what the unit price is for."""
    return forms.TypedChoiceField(
        label=_("Per"),
        coerce=int,
        initial=1000,
        choices=[(size, f"{size:,}") for size in UNIT_SIZES],
        help_text=_("How many tokens or characters the unit price is for."),
        widget=UnfoldAdminSelectWidget,
    )


def kind_field() -> forms.ChoiceField:
    """Ask for the kind of a price."""
    return forms.ChoiceField(
        label=_("Kind"),
        choices=[(kind, _(label)) for kind, label in Kind.choices()],
        initial=Kind.LIST_PRICE.value,
        help_text=_("The first that is in force counts: free trial, limited-time offer, list price."),
        widget=UnfoldAdminSelectWidget,
    )


def customer_field(label: Text, *, required: bool = True, help_text: Text = _CODE) -> Any:
    """Ask for a customer by code."""
    return forms.ModelChoiceField(
        Customer.objects.all(),
        label=label,
        required=required,
        to_field_name="code",
        help_text=help_text,
        widget=UnfoldAdminTextInputWidget(attrs={"list": "customers", "autocomplete": "off"}),
        error_messages={"invalid_choice": _("No customer has this code.")},
    )


def offered_codes() -> "QuerySet[Customer, str]":
    """Return the codes that a page offers where it asks for a customer; any other may be typed."""
    return Customer.objects.order_by("code").values_list("code", flat=True)[:OFFERED_CODES]


class PriceActionForm(forms.Form):
    """Bound to the query string if it has `show`; otherwise the query gives initial values.

    Instants are entered by the clock in use. What happens now has the form's `now` as its instant.
    """

    at_once: ClassVar[Mapping[str, str]] = {"begins_now": "begins_at", "ends_now": "ends_at"}
    several: ClassVar[tuple[str, ...]] = ()  # fields of which more than one may be chosen

    def __init__(self, params: MultiValueDict[str, str] | None = None, *, now: dt.datetime) -> None:
        params = params or MultiValueDict()
        next_hour = now.replace(minute=0, second=0, microsecond=0) + HOUR
        known = {name: params.getlist(name) if name in self.several else params[name] for name in params}
        self.now = now
        super().__init__(
            params if "show" in params else None,
            initial={"begins_at": f"{timezone.localtime(next_hour):%Y-%m-%dT%H:%M}"} | known,
        )
        for field in self.fields.values():
            if isinstance(field, UtcInstantField):
                field.label = f"{field.label} ({timezone.get_current_timezone_name()})"

    def clean(self) -> dict[str, Any]:
        """Put now for what happens at once; refuse what lies in the past, and an end before the beginning."""
        data = super().clean() or self.cleaned_data
        for choice, name in self.at_once.items():
            if choice in self.fields:
                self._choose_instant(data, choice, name)
        begins_at, ends_at = data.get("begins_at"), data.get("ends_at")
        if begins_at and ends_at and ends_at <= begins_at:
            is_before = ends_at < begins_at
            self.add_error(
                "ends_at", _("Until is before From.") if is_before else _("Until is the same as From.")
            )
        return data

    def _choose_instant(self, data: dict[str, Any], choice: str, name: str) -> None:
        if data.get(choice):
            data[name] = self.now
            self.errors.pop(name, None)
        elif data.get(name) is None:
            if name not in self.errors:
                self.add_error(name, _("Give an instant, or tick that it happens now."))
        elif data[name] <= self.now:
            self.add_error(
                name, _("This is in the past: it is %(now)s now.") % {"now": moment_text(self.now)}
            )

    def problems(self) -> list[str]:
        """Return every error with the label of its field, those of the whole form first."""
        general = [str(error) for error in self.non_field_errors()]
        named = {name: errors for name, errors in self.errors.items() if name in self.fields}
        return general + [
            f"{self.fields[name].label or pretty_name(name)}: {error}"
            for name, errors in named.items()
            for error in errors
        ]

    def show_utc(self) -> None:
        """Say at each instant that was read what it is in UTC."""
        for name, field in self.fields.items():
            instant = self.cleaned_data.get(name)
            if isinstance(field, UtcInstantField) and instant:
                bound = self[name]
                bound.help_text = f"{moment_text(instant)}. {bound.help_text}"

    def rows_to_apply(self) -> Sequence[Row]:
        """Return the rows, in which what happens now happens when they are applied."""
        is_at_once = any(self.cleaned_data.get(choice) for choice in self.at_once)
        return [
            at_once(row, self.now) if is_at_once and isinstance(row, PriceRow) else row for row in self.rows()
        ]

    def rows(self) -> Sequence[Row]:
        """Return the rows to apply; may raise ValidationError."""
        raise NotImplementedError

    def summary(self) -> str:
        """Name the action with its consequence, as on the button."""
        raise NotImplementedError

    def chosen(self, name: str) -> set[str]:
        """Return the keys that are ticked, as the page shows it again."""
        data = self.data.getlist(name) if self.is_bound else self.initial.get(name, [])  # type: ignore[attr-defined]
        return {str(key) for key in data}
