"""The catalogue in the admin; prices are shown here, and changed on pages of their own."""

import datetime as dt
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display

from accounts.audit.audited_admin import AuditedAdmin, AuditHistoryAdmin, UndeletableAdmin
from pricing.admin_filters import ENDED, IN_FORCE, SCHEDULED, STATES, ForWhomFilter, state_of
from pricing.catalogue.admin_forms import ServiceAliasForm, ServiceForm
from pricing.catalogue.offering import facts_of
from pricing.changes.approval_admin import RequiresApproval
from pricing.changes.limit_admin import CallSpecificationAdmin
from pricing.models import (
    BillingItem,
    CallSpecification,
    Price,
    Service,
    ServiceAlias,
    ServiceGroup,
    in_force,
)
from pricing.rules.kinds import Kind
from pricing.rules.precedence import changes_after, price_in_force
from pricing.timeline.view import outlook_now
from sensenova_billing.lib import clock
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin

SOON = dt.timedelta(days=30)
SOONEST_FIRST = {"next": ("begins_at", "billing_item"), "soon": ("ends_at", "billing_item")}
MAY_CHANGE_PRICES = (
    "price_change"  # not the permission itself: unfold would look for it in a database that is still empty
)
# The pages that change prices (invoices/price_impact/price_admin.py), with the labels of their buttons.
ACTION_LABELS = {
    "change_price": "Change a price",
    "announce_offer": "Announce an offer",
    "start_trial": "Start a free trial",
    "end_price": "End or cancel",
    "copy_prices": "Copy a customer's prices",
    "put_on_sale": "Put an item on sale",
}
PRICE_ACTIONS = tuple(ACTION_LABELS)
KINDS = {"free trial": "success", "limited-time offer": "warning", "list price": "default"}

admin.site.register(CallSpecification, CallSpecificationAdmin)


class WhatFilter(admin.SimpleListFilter):
    """What is in force now, what changes next, what ends soon, what has no end."""

    title = "status"
    parameter_name = "what"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The questions that the list answers."""
        return [
            ("now", "in force now"),
            ("next", "changes next"),
            ("soon", f"ends within {SOON.days} days"),
            ("endless", "offers and trials without an end"),
            ("ended", "has ended"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The prices that match the chosen question."""
        now = clock.now()
        conditions = {
            "now": in_force(at=now),
            "next": Q(begins_at__gt=now),
            "soon": in_force(at=now) & Q(ends_at__lte=now + SOON),
            "endless": Q(ends_at=None) & ~Q(kind=Kind.LIST_PRICE),
            "ended": Q(ends_at__lte=now),
        }
        return queryset.filter(conditions.get(self.value() or "", Q()))


def button_to(route: str, words: str, parameter: str = "") -> Any:
    """Return an admin button that opens the page of a price action; on an object's page, filled in."""

    def redirect_there(self: Any, request: HttpRequest, object_id: str = "") -> HttpResponse:
        return redirect(reverse(route, query={parameter: object_id} if parameter else {}))

    redirect_there.__name__ = route
    return action(description=words, permissions=[MAY_CHANGE_PRICES])(redirect_there)


class PriceActionButtons:
    """For a ModelAdmin whose buttons redirect_there to the deeds of prices."""

    def has_price_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Those who may change prices."""
        return bool(request.user.has_perm("pricing.change_price"))


class CatalogueViewAdmin(PriceActionButtons, RobustUrlAdmin, AuditHistoryAdmin, ReadOnlyAdmin, ModelAdmin):  # type: ignore[misc]
    """Read-only here; the history is the audit trail."""

    list_per_page = 50
    actions_list = PRICE_ACTIONS

    change_price, announce_offer, start_trial, end_price, copy_prices, put_on_sale = (
        button_to(route, words) for route, words in ACTION_LABELS.items()
    )


@admin.register(ServiceGroup)
class ServiceGroupAdmin(RequiresApproval, UndeletableAdmin):
    """The sections of the price page."""

    list_display = ("name", "family", "position")
    search_fields = ("name", "family")


@admin.register(ServiceAlias)
class ServiceAliasAdmin(RequiresApproval, AuditedAdmin, ModelAdmin):  # type: ignore[misc]
    """Other names under which senders report services; one that is not wanted any more may go."""

    form = ServiceAliasForm
    list_display = ("alias", "service")
    list_select_related = ("service",)
    search_fields = ("alias", "service__name")
    autocomplete_fields = ("service",)


@admin.register(Service)
class ServiceAdmin(PriceActionButtons, RequiresApproval, UndeletableAdmin):
    """Models on sale."""

    form = ServiceForm
    list_display = ("name", "group", "position")
    list_filter = ("group",)
    list_select_related = ("group",)
    search_fields = ("name",)
    fields = ("name", "group", "position")
    actions_detail = ("offer_this", "try_this", "sell_more")

    offer_this = button_to("announce_offer", "Announce an offer", "services")
    try_this = button_to("start_trial", "Start a free trial", "services")
    sell_more = button_to("put_on_sale", "Put an item on sale", "service")

    def get_readonly_fields(self, request: HttpRequest, obj: Service | None = None) -> tuple[str, ...]:
        """Senders report by the name: it stays."""
        return ("name",) if obj else ()


class PricesInline(TabularInline):  # type: ignore[misc]
    """The prices of an item as they are; each is changed on its own page."""

    model = Price
    fields = readonly_fields = ("words", "kind", "customer", "begins_at", "ends_at", "state")
    extra = 0
    hide_title = True
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> Any:
        """With the related names, in one query."""
        return super().get_queryset(request).with_names()

    @display(description="price")  # type: ignore[untyped-decorator]
    def words(self, price: Price) -> str:
        """As the price page words it, with a link to its own page."""
        url = reverse("admin:pricing_price_change", args=[price.pk])
        return format_html('<a class="underline" href="{}">{}</a>', url, price.text)

    @display(description="state", label=STATES)  # type: ignore[untyped-decorator]
    def state(self, price: Price) -> str:
        """In force, scheduled or ended."""
        return state_of(price)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Prices are added on their own page, where the database's rules are explained."""
        return False


@admin.register(BillingItem)
class BillingItemAdmin(CatalogueViewAdmin):
    """What services charge for: what it costs now, and what changes next."""

    list_display = ("service", "measure", "price_now", "next_change")
    list_filter = ("measure", "service")
    list_select_related = ("service",)
    search_fields = ("service__name", "measure")
    inlines = (PricesInline,)
    actions_detail = ("change_this", "offer_this", "try_this")
    change_form_outer_before_template = "admin/item_timeline.html"

    change_this = button_to("change_price", "Change its price", "item")
    offer_this = button_to("announce_offer", "Announce an offer", "items")
    try_this = button_to("start_trial", "Start a free trial", "items")

    def get_queryset(self, request: HttpRequest) -> Any:
        """With their prices, read at once."""
        return super().get_queryset(request).prefetch_related("prices")

    @display(description="price for everybody now")  # type: ignore[untyped-decorator]
    def price_now(self, item: BillingItem) -> str:
        """As the price page words it."""
        price = price_in_force(facts_of(item), customer=None, at=clock.now())
        return _text_of(item, price.id) if price else "none"

    @display(description="next change (UTC)")  # type: ignore[untyped-decorator]
    def next_change(self, item: BillingItem) -> str:
        """What counts for everybody after that, and from when on."""
        for change in changes_after(facts_of(item), customer=None, at=clock.now()):
            return f"{change.at:%Y-%m-%d %H:%M}: {_text_of(item, change.price.id)}"
        return "none planned"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """With its prices over time."""
        item = self.get_object(request, object_id)
        context = {"outlook": outlook_now(item=item, now=clock.now())} if item else {}
        answer: HttpResponse = super().change_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )
        return answer


@admin.register(Price)
class PriceAdmin(CatalogueViewAdmin):
    """Every price there was, is and will be; the buttons redirect_there to what can be done."""

    list_display = ("billing_item", "words", "kind_label", "for_whom", "begins_at", "ends_at", "state")
    list_filter = (WhatFilter, "kind", ForWhomFilter, "billing_item__service")
    list_select_related = ("billing_item__service", "customer")
    search_fields = ("billing_item__service__name", "billing_item__measure", "customer__code")
    fields = ("billing_item", "words", "kind_label", "for_whom", "begins_at", "ends_at", "state")
    ordering = (
        "billing_item__service__group__position",
        "billing_item__service__position",
        "billing_item",
        "begins_at",
    )
    actions_detail = ("change_this", "end_this", "cancel_this")

    def get_queryset(self, request: HttpRequest) -> Any:
        """With the related names, in one query; pages with a choice of prices need it too."""
        return super().get_queryset(request).select_related(*self.list_select_related)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """By the price page; of what changes or ends, the soonest first."""
        return SOONEST_FIRST.get(request.GET.get(WhatFilter.parameter_name, ""), self.ordering)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """End what is in force, cancel what is scheduled; what has ended is history."""
        price = self.get_object(request, object_id)
        useless = {
            IN_FORCE: {"cancel_this"},
            SCHEDULED: {"end_this"},
            ENDED: {"end_this", "cancel_this"},
        }[state_of(price) if price else ENDED]
        offered = super().get_actions_detail(request, object_id)
        return [one for one in offered if one.action_name.removeprefix("pricing_price_") not in useless]

    @action(description="Change this price", permissions=[MAY_CHANGE_PRICES])  # type: ignore[untyped-decorator]
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

    @action(description="End this price", permissions=[MAY_CHANGE_PRICES])  # type: ignore[untyped-decorator]
    def end_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """With the price ticked."""
        price = self.get_object_or_404(request, object_id)
        return redirect(reverse("end_price", query={"prices": price.pk}))

    @action(description="Cancel this price", permissions=[MAY_CHANGE_PRICES])  # type: ignore[untyped-decorator]
    def cancel_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Open the form that ends it where it would begin."""
        price = self.get_object_or_404(request, object_id)
        ends_at = price.begins_at.isoformat().replace("+00:00", "")
        return redirect(reverse("end_price", query={"prices": price.pk, "ends_at": ends_at, "show": 1}))

    @display(description="price", ordering="unit_price")  # type: ignore[untyped-decorator]
    def words(self, price: Price) -> str:
        """As the price page words it."""
        return price.text

    @display(description="kind", label=KINDS, ordering="kind")  # type: ignore[untyped-decorator]
    def kind_label(self, price: Price) -> str:
        """List price, offer or trial."""
        return price.get_kind_display()

    @display(description="for", ordering="customer")  # type: ignore[untyped-decorator]
    def for_whom(self, price: Price) -> str:
        """Everybody, or one customer's code."""
        return str(price.customer or "everybody")

    @display(description="state", label=STATES)  # type: ignore[untyped-decorator]
    def state(self, price: Price) -> str:
        """In force, scheduled or ended."""
        return state_of(price)


def _text_of(item: BillingItem, key: int) -> str:
    return next(price.text for price in item.prices.all() if price.pk == key)
