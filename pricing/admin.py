"""The catalogue in the admin; prices are shown here, and changed on pages of their own."""

import datetime as dt
from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.audit.audited_admin import AuditedAdmin, AuditHistoryAdmin, UndeletableAdmin
from accounts.models import AuditEntry, Customer
from pricing.admin_filters import STATES, ForWhomFilter, state_in_words
from pricing.audit_admin import CatalogueAuditAdmin
from pricing.catalogue.admin_forms import ServiceAliasForm, ServiceForm
from pricing.catalogue.offering import facts_of
from pricing.changes.approval_admin import RequiresApproval
from pricing.changes.limit_admin import CallSpecificationAdmin, CustomerWithLimitsAdmin
from pricing.models import (
    BillingItem,
    CallSpecification,
    Price,
    Service,
    ServiceAlias,
    ServiceGroup,
    in_force,
    moment_text,
)
from pricing.rules.kinds import Kind
from pricing.rules.precedence import changes_after, price_in_force
from pricing.timeline.view import outlook_now
from pricing.words import kind_name, measure_name
from sensenova_billing.lib import clock
from sensenova_billing.lib.admin.base import ModelAdmin, TabularInline
from sensenova_billing.lib.admin.decorators import display
from sensenova_billing.lib.admin.filters import TranslatedChoicesFilter
from sensenova_billing.lib.admin.labels import Label
from sensenova_billing.lib.admin.links import row_link
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin
from sensenova_billing.lib.local_time import minute_text

SOON = dt.timedelta(days=30)
SOONEST_FIRST = {"next": ("begins_at", "billing_item"), "soon": ("ends_at", "billing_item")}
KINDS = {kind.label: kind.badge for kind in Kind}

# In place of that of accounts, which does not know limits.
admin.site.unregister(Customer)
admin.site.register(Customer, CustomerWithLimitsAdmin)
admin.site.unregister(AuditEntry)
admin.site.register(AuditEntry, CatalogueAuditAdmin)
admin.site.register(CallSpecification, CallSpecificationAdmin)


class OwnClock:
    """For a ModelAdmin whose pages have the clock of the person who reads them."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Rendered by that clock."""
        with timezone.override(request.user.time_zone):  # type: ignore[union-attr]
            return _rendered(super().changelist_view(request, extra_context))  # type: ignore[misc]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Rendered by that clock."""
        with timezone.override(request.user.time_zone):  # type: ignore[union-attr]
            return _rendered(super().change_view(request, object_id, form_url, extra_context))  # type: ignore[misc]


def _rendered(answer: Any) -> HttpResponse:
    return answer.render() if isinstance(answer, TemplateResponse) else answer


class Period:
    """The columns of a price's period, by the clock in use with UTC beside it."""

    @display(description=_("from"), ordering="begins_at")
    def from_text(self, price: Price) -> str:
        """The first instant at which it is in force."""
        return _both(price.begins_at)

    @display(description=_("until"), ordering="ends_at")
    def until_text(self, price: Price) -> str:
        """The first instant at which it is not."""
        return _both(price.ends_at) if price.ends_at else gettext("no end")


def _both(instant: dt.datetime) -> str:
    """An instant by the clock in use, and in UTC below it."""
    zone = timezone.get_current_timezone()
    utc = f"{minute_text(instant, dt.UTC)} UTC"
    if str(zone) == "UTC":
        return utc
    lines = [(minute_text(instant, zone), "14px"), (zone, "12px"), (utc, "12px")]
    return format_html_join("", '<div style="white-space: nowrap; font-size: {1}">{0} </div>', lines)


class WhatFilter(admin.SimpleListFilter):
    """What is in force now, what changes next, what ends soon, what has no end."""

    title = _("status")
    parameter_name = "what"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The questions that the list answers."""
        return [
            ("now", gettext("in force now")),
            ("next", gettext("changes next")),
            ("soon", gettext("ends within %(days)s days") % {"days": SOON.days}),
            ("endless", gettext("offers and trials without an end")),
            ("ended", gettext("has ended")),
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


class CatalogueViewAdmin(RobustUrlAdmin, AuditHistoryAdmin, ReadOnlyAdmin, ModelAdmin):
    """Read-only here; the history is the audit trail."""

    list_per_page = 50


@admin.register(ServiceGroup)
class ServiceGroupAdmin(RequiresApproval, UndeletableAdmin):
    """The sections of the price page."""

    list_display = ("name", "family", "position")
    search_fields = ("name", "family")


@admin.register(ServiceAlias)
class ServiceAliasAdmin(RequiresApproval, AuditedAdmin, ModelAdmin):
    """Other names under which senders report services; one that is not wanted any more may go."""

    form = ServiceAliasForm
    list_display = ("alias", "service")
    list_per_page = 50
    list_select_related = ("service",)
    search_fields = ("alias", "service__name")
    autocomplete_fields = ("service",)


@admin.register(Service)
class ServiceAdmin(RequiresApproval, UndeletableAdmin):
    """Models on sale."""

    form = ServiceForm
    list_display = ("name", "group", "position")
    list_filter = ("group",)
    list_select_related = ("group",)
    search_fields = ("name",)
    fields = ("name", "group", "position")

    def get_readonly_fields(self, request: HttpRequest, obj: Service | None = None) -> tuple[str, ...]:
        """Senders report by the name: it stays."""
        return ("name",) if obj else ()


class PricesInline(Period, TabularInline):
    """The prices of an item as they are; each is changed on its own page."""

    model = Price
    fields = readonly_fields = ("words", "kind_text", "customer", "from_text", "until_text", "state")
    extra = 0
    hide_title = True
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> Any:
        """With the related names, in one query."""
        prices: Any = super().get_queryset(request)
        return prices.with_names()

    @display(description=_("price"))
    def words(self, price: Price) -> str:
        """As the price page words it, with a link to its own page."""
        return row_link("pricing_price", price.pk, price.text)

    @display(description=_("kind"))
    def kind_text(self, price: Price) -> str:
        """List price, offer or trial."""
        return kind_name(price.kind)

    @display(description=_("state"), label=STATES)
    def state(self, price: Price) -> Label:
        """In force, scheduled or ended."""
        return state_in_words(price)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Prices are added on their own page, where the database's rules are explained."""
        return False


@admin.register(BillingItem)
class BillingItemAdmin(OwnClock, CatalogueViewAdmin):
    """What services charge for: what it costs now, and what changes next."""

    list_display = ("service", "measure_text", "price_now", "next_change")
    list_filter = (("measure", TranslatedChoicesFilter), "service")
    fields = ("service", "measure_text")
    list_select_related = ("service",)
    search_fields = ("service__name", "measure")
    inlines = (PricesInline,)
    change_form_outer_before_template = "admin/item_timeline.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        """With their prices for everybody, read at once."""
        prices = Prefetch("prices", Price.objects.for_everybody())
        return super().get_queryset(request).prefetch_related(prices)

    @display(description=_("measure"), ordering="measure")
    def measure_text(self, item: BillingItem) -> str:
        """E.g. `Input tokens`."""
        return measure_name(item.measure)

    @display(description=_("price for everybody now"))
    def price_now(self, item: BillingItem) -> str:
        """As the price page words it."""
        price = price_in_force(facts_of(item), customer=None, at=clock.now())
        return _text_of(item, price.id) if price else gettext("none")

    @display(description=_("next change"))
    def next_change(self, item: BillingItem) -> str:
        """What counts for everybody after that, and from when on."""
        for change in changes_after(facts_of(item), customer=None, at=clock.now()):
            return f"{moment_text(change.at)}: {_text_of(item, change.price.id)}"
        return gettext("none planned")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """With its prices over time."""
        item = self.get_object(request, object_id)
        with timezone.override(request.user.time_zone):  # type: ignore[union-attr]
            context = {"outlook": outlook_now(item=item, now=clock.now())} if item else {}
        answer: HttpResponse = super().change_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )
        return answer


@admin.register(Price)
class PriceAdmin(Period, OwnClock, CatalogueViewAdmin):
    """Every price there was, is and will be."""

    list_display = ("billing_item", "words", "kind_label", "for_whom", "from_text", "until_text", "state")
    list_filter = (WhatFilter, ("kind", TranslatedChoicesFilter), ForWhomFilter, "billing_item__service")
    list_select_related = ("billing_item__service", "customer")
    search_fields = ("billing_item__service__name", "billing_item__measure", "customer__code")
    fields = ("billing_item", "words", "kind_label", "for_whom", "from_text", "until_text", "state")
    ordering = (
        "billing_item__service__group__position",
        "billing_item__service__position",
        "billing_item",
        "begins_at",
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        """With the related names, in one query; pages with a choice of prices need it too."""
        return super().get_queryset(request).select_related(*self.list_select_related)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """By the price page; of what changes or ends, the soonest first."""
        return SOONEST_FIRST.get(request.GET.get(WhatFilter.parameter_name, ""), self.ordering)

    @display(description=_("price"), ordering="unit_price")
    def words(self, price: Price) -> str:
        """As the price page words it."""
        return price.text

    @display(description=_("kind"), label=KINDS, ordering="kind")
    def kind_label(self, price: Price) -> Label:
        """List price, offer or trial."""
        return Label(price.get_kind_display(), kind_name(price.kind))

    @display(description=_("for"), ordering="customer")
    def for_whom(self, price: Price) -> str:
        """Everybody, or one customer's code."""
        return str(price.customer or gettext("everybody"))

    @display(description=_("state"), label=STATES)
    def state(self, price: Price) -> Label:
        """In force, scheduled or ended."""
        return state_in_words(price)


def _text_of(item: BillingItem, key: int) -> str:
    return next(price.text for price in item.prices.all() if price.pk == key)
