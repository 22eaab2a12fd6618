"""One form for each price command: its fields, and the rows that apply it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Q
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from pricing.changes.base_form import (
    PriceActionForm,
    begins_field,
    customer_field,
    ends_field,
    instant_field,
    is_key,
    kind_field,
    now_field,
    unit_price_field,
    unit_size_field,
)
from pricing.changes.price_commands import (
    announce_offer,
    change_price,
    copy_prices,
    end_prices,
    start_trial,
)
from pricing.changes.rows import PriceRow
from pricing.models import (
    ITEM_ORDER,
    BillingItem,
    Price,
    Service,
    ServiceGroup,
    moment_text,
    period_text,
    price_text,
)
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from pricing.words import item_within
from sensenova_billing.lib.admin.number_fields import PlainDecimalField


class ChangePriceForm(PriceActionForm):
    """One price of one billing item."""

    item = forms.ModelChoiceField(
        BillingItem.objects.select_related("service"), label=_("Billing item"), widget=UnfoldAdminSelectWidget
    )
    customer = customer_field(
        _("Only for"), required=False, help_text=_("A customer's code; empty: for everybody.")
    )
    kind = kind_field()
    unit_price = unit_price_field(
        _("New unit price (RMB)"), help_text=_("At most 8 decimals; a free trial costs 0.")
    )
    unit_size = unit_size_field()
    begins_now = now_field(_("Begin now"))
    begins_at = begins_field()
    ends_at = ends_field(_("End (exclusive); then the price that it superseded resumes. Empty: no end."))

    def rows(self) -> list[PriceRow]:
        """The price, and the changes to those that it supersedes."""
        names = ("item", "customer", "kind", "unit_price", "unit_size", "begins_at", "ends_at")
        return change_price(**{name: self.cleaned_data[name] for name in names})

    def summary(self) -> str:
        """E.g. `Change SenseChat input tokens to 0.01 RMB/thousand tokens from 2026-12-01 00:00 UTC`."""
        data = self.cleaned_data
        words = {"item": _item_name(data["item"]), "customer": data["customer"]}
        words |= _price_words(data, data["item"].measure)
        if data["customer"]:
            return gettext("Change %(item)s for %(customer)s to %(price)s %(period)s") % words
        return gettext("Change %(item)s to %(price)s %(period)s") % words


class NewItemForm(PriceActionForm):
    """A billing item that is put on sale with its first price."""

    service = forms.ModelChoiceField(
        Service.objects.all(), label=_("Service"), widget=UnfoldAdminSelectWidget
    )
    measure = forms.ChoiceField(
        choices=[(measure, _(label)) for measure, label in Measure.choices()],
        label=_("Charges for"),
        widget=UnfoldAdminSelectWidget,
    )
    kind = kind_field()
    unit_price = unit_price_field(
        _("Unit price (RMB)"), help_text=_("At most 8 decimals; a free trial costs 0.")
    )
    unit_size = unit_size_field()
    begins_at = begins_field(
        _("From then on it is on sale; a first price may begin in the past."), required=True
    )

    def clean(self) -> dict[str, Any]:
        """Refuse an item that is on sale already."""
        data = super().clean() or self.cleaned_data
        if BillingItem.objects.filter(service=data.get("service"), measure=data.get("measure", "")).exists():
            raise ValidationError(_("This item is on sale already: change its price instead."))
        return data

    def rows(self) -> list[PriceRow]:
        """The first price, for everybody and without an end."""
        data = self.cleaned_data
        return [
            PriceRow(
                service=data["service"].name,
                measure=Measure(data["measure"]),
                kind=data["kind"],
                unit_price=data["unit_price"],
                unit_size=data["unit_size"],
                begins_at=data["begins_at"],
            )
        ]

    def summary(self) -> str:
        """E.g. `Put nova-2 input tokens on sale at 0.01 RMB/thousand tokens from ...`."""
        data = self.cleaned_data
        words = {"item": item_within(data["service"].name, data["measure"])}
        words |= _price_words(data, data["measure"])
        return gettext("Put %(item)s on sale at %(price)s %(period)s") % words


class ItemsForm(PriceActionForm):
    """Several billing items: whole service groups, whole services, or single ones."""

    several = ("groups", "services", "items")
    with_prices: ClassVar[bool] = False

    groups = forms.ModelMultipleChoiceField(ServiceGroup.objects.all(), required=False)
    services = forms.ModelMultipleChoiceField(Service.objects.all(), required=False)
    items = forms.ModelMultipleChoiceField(BillingItem.objects.all(), required=False)

    def plain_fields(self) -> list[forms.BoundField]:
        """Return the fields that do not choose items."""
        return [field for field in self if field.name not in self.several and field.name[:6] != "price_"]

    def on_sale(self) -> list[BillingItem]:
        """Return every item, in the order of the price page."""
        return list(BillingItem.objects.select_related("service__group").order_by(*ITEM_ORDER))

    def picked(self) -> list[BillingItem]:
        """Return the items that were chosen, one way or another."""
        data = self.cleaned_data
        wanted = (
            Q(service__group__in=data["groups"]) | Q(service__in=data["services"]) | Q(pk__in=data["items"])
        )
        return list(BillingItem.objects.select_related("service__group").filter(wanted))

    def clean(self) -> dict[str, Any]:
        """Require at least one item."""
        data = super().clean() or self.cleaned_data
        if not any(data.get(name) for name in self.several):
            raise ValidationError(_("Choose a service group, a service or a billing item."))
        return data

    def sections(self) -> list[dict[str, Any]]:
        """Return the checkboxes of the page: groups, their services, and their items."""
        ticked = {name: self.chosen(name) for name in self.several}
        sections: dict[int, dict[str, Any]] = {}
        for item in self.on_sale():
            service, group = item.service, item.service.group
            section = sections.setdefault(
                group.pk, {"group": group, "ticked": str(group.pk) in ticked["groups"], "services": {}}
            )
            held = section["services"].setdefault(
                service.pk, {"service": service, "ticked": str(service.pk) in ticked["services"], "items": []}
            )
            price = self[f"price_{item.pk}"] if self.with_prices else None
            held["items"].append({"item": item, "ticked": str(item.pk) in ticked["items"], "price": price})
        return [section | {"services": list(section["services"].values())} for section in sections.values()]

    def _on_items(self) -> str:
        items = self.picked()
        if len(items) == 1:
            return _item_name(items[0])
        return gettext("%(number)s billing items") % {"number": len(items)}


class OfferForm(ItemsForm):
    """A limited-time offer on several items: so many percent off, or new prices."""

    with_prices = True

    percent_off = PlainDecimalField(
        label=_("Percent off"),
        required=False,
        max_digits=10,
        decimal_places=6,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
        help_text=_(
            "Off the list price at the beginning; of an item without one, off the offer that stands then. "
            "For items without a new price of their own."
        ),
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    begins_now = now_field(_("Begin now"))
    begins_at = begins_field()
    ends_at = ends_field()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for item in self.on_sale():
            self.fields[f"price_{item.pk}"] = unit_price_field(
                gettext("New price of %(item)s") % {"item": item}, required=False
            )

    def clean(self) -> dict[str, Any]:
        """Include items with a new price, ticked or not."""
        data = self.cleaned_data
        priced = BillingItem.objects.filter(pk__in=self._new_prices())
        data["items"] = data.get("items", BillingItem.objects.none()) | priced
        return super().clean()

    def rows(self) -> list[PriceRow]:
        """The offer on each item."""
        data = self.cleaned_data
        return announce_offer(
            items=self.picked(),
            percent_off=data["percent_off"],
            unit_prices=self._new_prices(),
            begins_at=data["begins_at"],
            ends_at=data["ends_at"],
        )

    def summary(self) -> str:
        """E.g. `Offer 4 billing items at 20 % off from ... until ...`."""
        data = self.cleaned_data
        percent, priced = data["percent_off"], self._new_prices()
        words = {"items": self._on_items(), "period": _period(data)}
        if percent is None or priced:
            return gettext("Offer %(items)s %(period)s") % words
        words["percent"] = f"{percent.normalize():f}"
        return gettext("Offer %(items)s at %(percent)s %% off %(period)s") % words

    def _new_prices(self) -> Mapping[int, Decimal]:
        return {
            int(name.removeprefix("price_")): value
            for name, value in self.cleaned_data.items()
            if name.startswith("price_") and value is not None
        }


class TrialForm(ItemsForm):
    """Several items free for everybody for a time."""

    begins_now = now_field(_("Begin now"))
    begins_at = begins_field()
    ends_at = ends_field()

    def rows(self) -> list[PriceRow]:
        """The trial of each item."""
        data = self.cleaned_data
        return start_trial(items=self.picked(), begins_at=data["begins_at"], ends_at=data["ends_at"])

    def summary(self) -> str:
        """E.g. `Make SenseChat input tokens free from ... until ...`."""
        words = {"items": self._on_items(), "period": _period(self.cleaned_data)}
        return gettext("Make %(items)s free %(period)s") % words


# By whether there are several prices, and whether any is cancelled.
_ENDS = {
    (True, True): gettext_noop(
        "End %(number)s prices %(when)s, %(cancelled)s of them cancelled before they begin"
    ),
    (True, False): gettext_noop("End %(number)s prices %(when)s"),
    (False, True): gettext_noop("Cancel %(item)s: %(price)s, %(period)s"),
    (False, False): gettext_noop("End %(item)s: %(price)s %(when)s"),
}


class EndPriceForm(PriceActionForm):
    """Prices that end; one that would end before it begins is cancelled."""

    several = ("prices",)

    prices = forms.ModelMultipleChoiceField(
        Price.objects.with_names(),
        error_messages={"required": _("Choose what ends.")},
    )
    ends_now = now_field(_("End now"))
    ends_at = instant_field(
        _("Ends"),
        _(
            "End (exclusive). A price that is scheduled to begin then or later is cancelled, and the price "
            "that it would have replaced continues."
        ),
        required=False,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("ends_at", self.initial["begins_at"])
        self._open = list(
            Price.objects.from_then_on(at=self.now)
            .filter(~Q(kind=Kind.LIST_PRICE) | Q(customer__isnull=False) | self._named())
            .select_related("billing_item__service__group", "customer")
            .order_by(*(f"billing_item__{name}" for name in ITEM_ORDER), "begins_at")
        )
        for price in self._open:
            self.fields[f"after_{price.pk}"] = unit_price_field(
                gettext("List price after %(price)s") % {"price": price}, required=False
            )

    def choices(self) -> list[dict[str, Any]]:
        """Return the checkboxes of the page: offers, trials, own prices, and prices that a link names."""
        ticked = self.chosen("prices")
        beneath = self._items_with_more()
        return [
            {
                "price": price,
                "ticked": str(price.pk) in ticked,
                "text": _price_text(price, is_scheduled=price.begins_at > self.now),
                "unit": gettext(price.unit),
                "after": self[f"after_{price.pk}"] if price not in beneath else None,
            }
            for price in self._open
        ]

    def rows(self) -> list[PriceRow]:
        """The ends, the list prices after them, and the cancellations."""
        ends_at, prices = self.cleaned_data["ends_at"], self.cleaned_data["prices"]
        successors = {
            price.pk: after
            for price in prices
            if (after := self.cleaned_data.get(f"after_{price.pk}")) is not None
        }
        return end_prices(
            prices=[price for price in prices if not self._is_cancelled(price)],
            ends_at=ends_at,
            successors=successors,
            cancelled=[price for price in prices if self._is_cancelled(price)],
        )

    def summary(self) -> str:
        """E.g. `End SenseChat-5 input tokens: 0.04 RMB/... (limited-time offer) at ...`."""
        prices = list(self.cleaned_data["prices"])
        cancelled = [price for price in prices if self._is_cancelled(price)]
        first, instant = prices[0], moment_text(self.cleaned_data["ends_at"])
        words = {
            "number": len(prices),
            "cancelled": len(cancelled),
            "item": _item_name(first.billing_item),
            "price": first.text,
            "period": first.period_text,
            "when": gettext("now")
            if self.cleaned_data["ends_now"]
            else gettext("at %(at)s") % {"at": instant},
        }
        return gettext(_ENDS[len(prices) > 1, bool(cancelled)]) % words

    def _is_cancelled(self, price: Price) -> bool:
        return price.begins_at > self.now and price.begins_at >= self.cleaned_data["ends_at"]

    def _named(self) -> Q:
        return Q(pk__in=[key for key in self.chosen("prices") if is_key(key)])

    def _items_with_more(self) -> list[Price]:
        """Return the choices that leave a general price in force when they end."""
        endless = Price.objects.for_everybody().filter(ends_at=None).values_list("billing_item_id", "pk")
        by_item: dict[int, set[int]] = {}
        for item, key in endless:
            by_item.setdefault(item, set()).add(key)
        return [
            one for one in self._open if one.customer or by_item.get(one.billing_item_id, set()) - {one.pk}
        ]


class CopyPricesForm(PriceActionForm):
    """One customer's own prices given to another."""

    source = customer_field(_("Copy the own prices of"))
    target = customer_field(_("To"))
    begins_now = now_field(_("Begin now"))
    begins_at = begins_field(_("From then on; what the other customer pays until then stays."))

    def clean(self) -> dict[str, Any]:
        """Refuse a copy to the same customer, and one of nothing."""
        data = super().clean() or self.cleaned_data
        source = data.get("source")
        if source and source == data.get("target"):
            self.add_error("target", _("Choose another customer."))
        if source and not Price.objects.filter(customer=source).from_then_on(at=self.now).exists():
            self.add_error("source", _("This customer has no prices of its own."))
        return data

    def rows(self) -> list[PriceRow]:
        """The other customer's prices."""
        data = self.cleaned_data
        return copy_prices(source=data["source"], target=data["target"], begins_at=data["begins_at"])

    def summary(self) -> str:
        """E.g. `Copy the prices of acme to globex from ...`."""
        data = self.cleaned_data
        words = {"source": data["source"].code, "target": data["target"].code, "period": _period(data)}
        return gettext("Copy the prices of %(source)s to %(target)s %(period)s") % words


# By whether it is a customer's own, and whether it is scheduled.
_OPEN = {
    (False, False): gettext_noop("%(item)s: %(price)s, %(period)s"),
    (False, True): gettext_noop("%(item)s: %(price)s, %(period)s (scheduled)"),
    (True, False): gettext_noop("%(item)s: %(price)s, for %(customer)s, %(period)s"),
    (True, True): gettext_noop("%(item)s: %(price)s, for %(customer)s, %(period)s (scheduled)"),
}


def _price_text(price: Price, *, is_scheduled: bool) -> str:
    words = {"item": price.billing_item, "price": price.text, "period": price.period_text}
    sentence = _OPEN[price.customer is not None, is_scheduled]
    return gettext(sentence) % {**words, "customer": price.customer}


def _item_name(item: BillingItem) -> str:
    return item_within(item.service.name, item.measure)


def _price_words(data: Mapping[str, Any], measure: str) -> dict[str, str]:
    digits = f"{data['unit_price'].normalize():f}"
    size = data["unit_size"]
    text = price_text(kind=data["kind"], digits=digits, unit_size=size, measure=Measure(measure))
    return {"price": text, "period": _period(data)}


def _period(data: Mapping[str, Any]) -> str:
    begins_at, ends_at = data["begins_at"], data.get("ends_at")
    if not data.get("begins_now"):
        return period_text(begins_at, ends_at)
    if ends_at is None:
        return gettext("from now on")
    return gettext("from now until %(at)s") % {"at": moment_text(ends_at)}
