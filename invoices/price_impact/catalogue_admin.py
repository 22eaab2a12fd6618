"""The catalogue in the admin, with buttons that lead to the pages on which prices change."""

from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from pricing import admin as catalogue
from pricing.admin_filters import ENDED, IN_FORCE, SCHEDULED, state_of
from pricing.rules.kinds import Kind
from sensenova_billing.lib.admin.decorators import action

# Not the permission itself: unfold would look for it in a database that is still empty.
MAY_CHANGE_PRICES = "price_change"


def button_to(page: str, description: str | Promise, parameter: str = "") -> Any:
    """Return an admin button that opens the page of a price action; on an object's page, filled in."""

    def open_page(self: Any, request: HttpRequest, object_id: str = "") -> HttpResponse:
        return redirect(reverse(page, query={parameter: object_id} if parameter else {}))

    open_page.__name__ = page
    return action(description=description, permissions=[MAY_CHANGE_PRICES])(open_page)


class PriceButtons:
    """For a ModelAdmin whose buttons lead to price actions."""

    may_change = "pricing.change_price"

    def has_price_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Those who may change prices, or what else the buttons change."""
        return bool(request.user.has_perm(self.may_change))


class PriceListButtons(PriceButtons):
    """With the buttons of all price actions above the list."""

    # More buttons would leave no room for the title.
    actions_list = (
        "change_price",
        "announce_offer",
        "end_price",
        {
            "title": _("More"),
            "items": ["start_trial", "take_back_announcement", "copy_prices", "put_on_sale"],
        },
    )

    change_price = button_to("change_price", _("Change a price"))
    announce_offer = button_to("announce_offer", _("Announce an offer"))
    start_trial = button_to("start_trial", _("Start a free trial"))
    end_price = button_to("end_price", _("End or cancel"))
    take_back_announcement = button_to("take_back_announcement", _("Take back an announcement"))
    copy_prices = button_to("copy_prices", _("Copy a customer's prices"))
    put_on_sale = button_to("put_on_sale", _("Put an item on sale"))


class ServiceAdmin(PriceButtons, catalogue.ServiceAdmin):
    """Models on sale, with what can be done to the prices of each."""

    actions_detail = ("offer_this", "try_this", "sell_more")

    offer_this = button_to("announce_offer", _("Announce an offer"), "services")
    try_this = button_to("start_trial", _("Start a free trial"), "services")
    sell_more = button_to("put_on_sale", _("Put an item on sale"), "service")


class BillingItemAdmin(PriceListButtons, catalogue.BillingItemAdmin):
    """What services charge for, with what can be done to each one's price."""

    actions_detail = ("change_this", "offer_this", "try_this")

    change_this = button_to("change_price", _("Change its price"), "item")
    offer_this = button_to("announce_offer", _("Announce an offer"), "items")
    try_this = button_to("start_trial", _("Start a free trial"), "items")


class PriceAdmin(PriceListButtons, catalogue.PriceAdmin):
    """Every price, with what can still be done to it."""

    actions_detail = ("change_this", "end_this", "cancel_this", "take_back_this")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """End what is in force, cancel what is scheduled; what has ended is history."""
        price = self.get_object(request, object_id)
        useless = {
            IN_FORCE: {"cancel_this"},
            SCHEDULED: {"end_this"},
            ENDED: {"end_this", "cancel_this", "take_back_this"},
        }[state_of(price) if price else ENDED]
        if price and price.kind == Kind.LIST_PRICE:
            useless.add("take_back_this")
        offered = super().get_actions_detail(request, object_id)
        return [one for one in offered if one.action_name.removeprefix("pricing_price_") not in useless]

    @action(description=_("Change this price"), permissions=[MAY_CHANGE_PRICES])
    def change_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Open the form, filled in with this price."""
        price = self.get_object_or_404(request, object_id)
        return redirect(
            reverse(
                "change_price",
                query={
                    "item": price.billing_item_id,
                    "customer": price.customer.code if price.customer else "",
                    "kind": price.kind,
                    "unit_price": f"{price.unit_price.normalize():f}",
                    "unit_size": price.unit_size,
                },
            )
        )

    @action(description=_("End this price"), permissions=[MAY_CHANGE_PRICES])
    def end_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """With the price ticked."""
        price = self.get_object_or_404(request, object_id)
        return redirect(reverse("end_price", query={"prices": price.pk}))

    @action(description=_("Take back its announcement"), permissions=[MAY_CHANGE_PRICES])
    def take_back_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """With what was announced together with it."""
        price = self.get_object_or_404(request, object_id)
        return redirect(reverse("take_back_announcement", query={"announcement": price.pk}))

    @action(description=_("Cancel this price"), permissions=[MAY_CHANGE_PRICES])
    def cancel_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Open the form that ends it where it would begin."""
        price = self.get_object_or_404(request, object_id)
        zone = ZoneInfo(request.user.time_zone)  # type: ignore[union-attr]
        ends_at = price.begins_at.astimezone(zone).replace(tzinfo=None).isoformat()
        return redirect(
            reverse("end_price", query={"prices": price.pk, "ends_at": ends_at, "zone": zone.key, "show": 1})
        )
