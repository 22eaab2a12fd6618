"""The catalogue in the admin: what has begun is history, the future may be arranged."""

from typing import Any

from django.contrib import admin, messages
from django.db import IntegrityError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.admin import ModelAdmin, StackedInline, TabularInline
from unfold.decorators import display

from accounts.signed_admin import ReasonedForm, Signed, SignedForm
from pricing.choosing import price_in_force
from pricing.forms import PriceForm, refusal_text
from pricing.models import BillingItem, CallSpecification, Price, Service, ServiceAlias, ServiceGroup
from pricing.on_sale import facts_of

IN_FORCE, SCHEDULED, ENDED = "in force", "scheduled", "ended"
STATES = {IN_FORCE: "success", SCHEDULED: "info", ENDED: "default"}
KINDS = {"free trial": "success", "limited-time offer": "warning", "list price": "default"}


def _state(dated: Price | CallSpecification) -> str:
    now = timezone.now()
    if dated.begins_at > now:
        return SCHEDULED
    return ENDED if dated.ends_at and dated.ends_at <= now else IN_FORCE


class Kept(Signed, ModelAdmin):  # type: ignore[misc]
    """What may be added and changed, each time signed, but never deleted."""

    form: Any = SignedForm
    list_per_page = 50

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False


class StateFilter(admin.SimpleListFilter):
    """In force, scheduled or ended."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The three states."""
        return [(state, state) for state in STATES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those in the state that was chosen."""
        now = timezone.now()
        conditions = {
            IN_FORCE: Q(begins_at__lte=now) & (Q(ends_at=None) | Q(ends_at__gt=now)),
            SCHEDULED: Q(begins_at__gt=now),
            ENDED: Q(ends_at__lte=now),
        }
        return queryset.filter(conditions.get(self.value() or "", Q()))


class ForWhomFilter(admin.SimpleListFilter):
    """For everybody or agreed with one customer."""

    title = "for whom"
    parameter_name = "for"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The two sorts."""
        return [("everybody", "everybody"), ("one", "one customer")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those of the sort that was chosen."""
        if self.value() is None:
            return queryset
        return queryset.filter(customer__isnull=self.value() == "everybody")


@admin.register(ServiceGroup)
class ServiceGroupAdmin(Kept):
    """The sections of the price page."""

    list_display = ("name", "family", "position")
    search_fields = ("name", "family")


@admin.register(ServiceAlias)
class ServiceAliasAdmin(Signed, ModelAdmin):  # type: ignore[misc]
    """Other names under which senders report services; one that is not wanted any more may go."""

    form = SignedForm
    list_display = ("alias", "service")
    list_select_related = ("service",)
    search_fields = ("alias", "service__name")
    autocomplete_fields = ("service",)


@admin.register(Service)
class ServiceAdmin(Kept):
    """Models on sale."""

    list_display = ("name", "group", "position")
    list_filter = ("group",)
    list_select_related = ("group",)
    search_fields = ("name",)
    fields = ("name", "group", "position")

    def get_readonly_fields(self, request: HttpRequest, obj: Service | None = None) -> tuple[str, ...]:
        """Senders report by the name: it stays."""
        return ("name",) if obj else ()


class FirstPriceInline(StackedInline):  # type: ignore[misc]
    """The first price of a new billing item, without which the item could not be sold."""

    model = Price
    fields = ("kind", "unit_price", "unit_size", "begins_at")
    min_num = max_num = 1
    extra = 0
    verbose_name = verbose_name_plural = "first price, for everybody and without an end"

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Insist on it."""
        return super().get_formset(request, obj, validate_min=True, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False


class PricesInline(TabularInline):  # type: ignore[misc]
    """The prices of an item as they are; each is changed on its own page."""

    model = Price
    fields = readonly_fields = ("words", "kind", "customer", "begins_at", "ends_at", "state")
    extra = 0
    hide_title = True
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> Any:
        """With what each names, read at once."""
        return super().get_queryset(request).select_related("billing_item__service", "customer")

    @display(description="price")  # type: ignore[untyped-decorator]
    def words(self, price: Price) -> str:
        """As the price page words it, with a link to its own page."""
        url = reverse("admin:pricing_price_change", args=[price.pk])
        return format_html('<a class="underline" href="{}">{}</a>', url, price.text)

    @display(description="state", label=STATES)  # type: ignore[untyped-decorator]
    def state(self, price: Price) -> str:
        """In force, scheduled or ended."""
        return _state(price)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Prices are added on their own page, where the database's rules are explained."""
        return False


@admin.register(BillingItem)
class BillingItemAdmin(Kept):
    """What services charge for; a new one comes with its first price."""

    list_display = ("service", "measure", "price_now")
    list_filter = ("measure", "service")
    list_select_related = ("service",)
    search_fields = ("service__name", "measure")
    autocomplete_fields = ("service",)

    def get_queryset(self, request: HttpRequest) -> Any:
        """With their prices, read at once."""
        return super().get_queryset(request).prefetch_related("prices")

    @display(description="price for everybody now")  # type: ignore[untyped-decorator]
    def price_now(self, item: BillingItem) -> str:
        """As the price page words it."""
        price = price_in_force(facts_of(item), customer=None, at=timezone.now())
        return next((one.text for one in item.prices.all() if price and one.pk == price.id), "none")

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        """A new item's first price, or the prices that it has."""
        return [PricesInline] if obj else [FirstPriceInline]

    def get_readonly_fields(self, request: HttpRequest, obj: BillingItem | None = None) -> tuple[str, ...]:
        """Lines refer to it: it stays what it is."""
        return ("service", "measure") if obj else ()


@admin.register(Price)
class PriceAdmin(Kept):
    """Prices, offers and free trials; those that have begun can only be ended."""

    form = PriceForm
    list_display = ("billing_item", "words", "kind_label", "for_whom", "begins_at", "ends_at", "state")
    list_filter = (StateFilter, "kind", ForWhomFilter, "billing_item__service")
    list_select_related = ("billing_item__service", "customer")
    search_fields = ("billing_item__service__name", "billing_item__measure", "customer__code")
    autocomplete_fields = ("billing_item", "customer")
    ordering = (
        "billing_item__service__group__position",
        "billing_item__service__position",
        "billing_item",
        "begins_at",
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        """With what each price's name holds, read at once; the pages that let one be chosen need it too."""
        return super().get_queryset(request).select_related(*self.list_select_related)

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
        return _state(price)

    def get_form(
        self, request: HttpRequest, obj: Price | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Tell the form what time it is; only a new price can end the one that it replaces."""
        form = super().get_form(request, obj, change=change, **kwargs)
        form.now = timezone.now()
        return form

    def get_fields(self, request: HttpRequest, obj: Price | None = None) -> tuple[str, ...]:
        """Only a new price can end the one that it replaces."""
        fields = tuple(PriceForm.Meta.fields)
        return (*fields, "state") if obj else (*fields, "ends_predecessor")

    def get_readonly_fields(self, request: HttpRequest, obj: Price | None = None) -> tuple[str, ...]:
        """Of a price that has begun only the end can be moved; of one that has ended, nothing."""
        if obj is None:
            return ()
        if obj.begins_at > timezone.now():
            return ("billing_item", "state")
        fields = tuple(name for name in PriceForm.Meta.fields if name != "ends_at")
        return (*fields, "ends_at", "state") if _state(obj) == ENDED else (*fields, "state")

    def save_model(self, request: HttpRequest, obj: Price, form: Any, change: bool) -> None:
        """End what the new price replaces, then add it; the admin's transaction holds both."""
        form.end_predecessor()
        super().save_model(request, obj, form, change)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Say what the database refused when somebody else changed prices between the check and the save."""
        try:
            answer: HttpResponse = super().changeform_view(request, *args, **kwargs)
        except IntegrityError as error:
            messages.error(request, f"Nothing was saved. {refusal_text(error)}")
            return redirect(request.path)
        return answer


@admin.register(CallSpecification)
class CallSpecificationAdmin(Kept):
    """How many calls and tokens a minute."""

    form = ReasonedForm
    list_display = ("service", "for_whom", "rpm", "tpm_text", "begins_at", "ends_at", "state")
    list_filter = (StateFilter, ForWhomFilter, "service")
    list_select_related = ("service", "customer")
    search_fields = ("service__name", "customer__code")
    autocomplete_fields = ("service", "customer")

    @display(description="for", ordering="customer")  # type: ignore[untyped-decorator]
    def for_whom(self, specification: CallSpecification) -> str:
        """Everybody, or one customer's code."""
        return str(specification.customer or "everybody")

    @display(description="TPM", ordering="tpm")  # type: ignore[untyped-decorator]
    def tpm_text(self, specification: CallSpecification) -> str:
        """The number, or that there is none."""
        return f"{specification.tpm:,}" if specification.tpm else "none stated"

    @display(description="state", label=STATES)  # type: ignore[untyped-decorator]
    def state(self, specification: CallSpecification) -> str:
        """In force, scheduled or ended."""
        return _state(specification)
