"""Re-ratings in the admin: choose a price, see what a correction comes to, give the reason, order it."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, Exists, OuterRef, Q, Subquery, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from invoices.admin_forms import ReasonForm, ReratingForm
from invoices.corrections.rerate import ReratingEffect, order_rerating, preview_rerating
from invoices.models import ChargeLine, Correction, Rerating
from invoices.templatetags.amounts import exact, grouped, instant_text
from pricing.rules.amounts import exact_sum
from sensenova_billing.lib import clock
from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import display
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin
from usage.models import BillingHour

CUSTOMERS_SHOWN = 100


class ReratingAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """Ordered re-ratings with their reason and effect."""

    list_display = (
        "ordered_text",
        "price",
        "span",
        "corrected",
        "for_whom",
        "reason",
        "ordered_by",
        "effect",
    )
    list_select_related = ("price__billing_item__service", "price__customer", "customer")
    search_fields = ("price__billing_item__service__name", "reason", "ordered_by")
    list_per_page = 20  # each sums its lines
    fields = (
        "price", "span", "corrected", "for_whom", "reason", "ordered_by", "ordered_text",
        "billing_hour_text", "effect",
    )  # fmt: skip
    change_form_outer_after_template = "admin/rerating_effect.html"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """With the permission to order re-ratings."""
        return bool(request.user.has_perm("invoices.add_rerating"))

    def get_queryset(self, request: HttpRequest) -> Any:
        """With what its lines come to."""
        lines = ChargeLine.objects.filter(rerating=OuterRef("pk"))
        total = lines.order_by().values("rerating").annotate(total=Sum("amount")).values("total")
        closed = BillingHour.objects.filter(hour=OuterRef("billing_hour"))
        reratings = super().get_queryset(request).annotate(total=Subquery(total), is_billed=Exists(closed))
        return reratings.select_related(*self.list_select_related)

    @display(description=_("ordered (UTC)"), ordering="ordered_at")
    def ordered_text(self, rerating: Rerating) -> str:
        """To the second."""
        return instant_text(rerating.ordered_at)

    @display(description=_("usage (UTC)"), ordering="from_hour")
    def span(self, rerating: Rerating) -> str:
        """From the first hour to the end (exclusive)."""
        first, last = (f"{hour:%Y-%m-%d %H:%M}" for hour in (rerating.from_hour, rerating.until_hour))
        return gettext("%(first)s to %(last)s") % {"first": first, "last": last}

    @display(description=_("corrected unit price (RMB)"), ordering="unit_price")
    def corrected(self, rerating: Rerating) -> str:
        """With its unit."""
        return f"{exact(rerating.unit_price)} / {gettext(rerating.price.unit)}"

    @display(description=_("for"), ordering="customer__code")
    def for_whom(self, rerating: Rerating) -> str:
        """One customer, or everybody who was charged at the price."""
        return str(rerating.customer or gettext("everybody"))

    @display(description=_("on the bills of (UTC)"))
    def billing_hour_text(self, rerating: Rerating) -> str:
        """In UTC, as billing hours are."""
        return f"{rerating.billing_hour:%Y-%m-%d %H:%M}"

    @display(description=_("effect (RMB)"))
    def effect(self, rerating: Any) -> str:
        """What all its lines come to, or when there will be any."""
        if rerating.total is not None:
            return exact(rerating.total)
        if rerating.is_billed:
            return gettext("nothing was left to correct")
        text = gettext("comes with the closing of %(hour)s")
        return text % {"hour": self.billing_hour_text(rerating)}

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """With the effect for each customer: as billed, or as it would be billed now."""
        rerating = self.get_object(request, object_id)
        context = {}
        if rerating is not None:
            effects = _billed_effects(rerating) if rerating.is_billed else _previewed(rerating)
            context = {"preview": _table(effects), "is_billed": rerating.is_billed}
        answer: HttpResponse = super().change_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )
        return answer

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Ask for the price; show the effect; ask for the reason; order it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        # The form is in the query string at both steps, so that the order is for what was previewed.
        rerating_form = ReratingForm(request.GET or None)
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and rerating_form.is_valid() and form.is_valid():
            made = self._order(request, rerating_form, form)
            if made is not None:
                return redirect(reverse("admin:invoices_rerating_change", args=[made.pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Re-rate a price"),
            "rerating_form": rerating_form,
            "form": form,
            "preview": _table(preview_rerating(**rerating_form.cleaned_data))
            if rerating_form.is_valid()
            else None,
            "media": rerating_form.media,
            "opts": self.opts,
        }
        return render(request, "admin/rerate.html", context)

    def _order(self, request: HttpRequest, rerating_form: ReratingForm, form: ReasonForm) -> Rerating | None:
        """Order it, or put the reason for a refusal on the forms."""
        try:
            made = order_rerating(
                **rerating_form.cleaned_data,
                reason=form.cleaned_data["reason"],
                by=request.user.get_username(),
                now=clock.now(),
            )
        except ValidationError as error:
            for field, texts in error.message_dict.items():
                rerating_form.add_error(field if field in rerating_form.fields else None, texts)
            return None
        with translation.override("en"):  # what is stored is English
            self.log_addition(request, made, f"Ordered: {made.reason}")
        done = gettext("Ordered: it is on the bills of %(hour)s UTC.")
        messages.success(request, done % {"hour": f"{made.billing_hour:%Y-%m-%d %H:%M}"})
        return made


def _previewed(rerating: Rerating) -> list[ReratingEffect]:
    return preview_rerating(
        price=rerating.price,
        from_hour=rerating.from_hour,
        until_hour=rerating.until_hour,
        unit_price=rerating.unit_price,
        customer=rerating.customer,
    )


def _billed_effects(rerating: Rerating) -> list[ReratingEffect]:
    """Return the same as a preview of what was then billed."""
    credited, rebilled = (Q(correction=kind) for kind in (Correction.CREDITED, Correction.REBILLED))
    rows = (
        ChargeLine.objects.filter(rerating=rerating, bill__hour=rerating.billing_hour)
        .order_by()
        .values_list("bill__customer_code", "bill__customer_name")
        .annotate(
            lines=Count("pk", filter=rebilled),
            moved=Sum("quantity", filter=rebilled),
            charged=-Sum("amount", filter=credited),
            corrected=Sum("amount", filter=rebilled),
            difference=Sum("amount"),
        )
    )
    effects = [ReratingEffect(*row) for row in rows]
    return sorted(effects, key=lambda effect: (-abs(effect.difference), effect.customer_code))


def _table(effects: list[ReratingEffect]) -> dict[str, Any]:
    """Return what the page shows of the effects: the largest, and what all of them come to."""
    headers = [
        gettext("customer"),
        gettext("name"),
        gettext("lines"),
        gettext("quantity"),
        gettext("charged (RMB)"),
        gettext("corrected (RMB)"),
        gettext("difference (RMB)"),
    ]
    return {
        "headers": headers,
        "rows": [_row(effect) for effect in effects[:CUSTOMERS_SHOWN]],
        "shown": min(len(effects), CUSTOMERS_SHOWN),
        "customers": len(effects),
        "difference_text": exact(exact_sum(effect.difference for effect in effects)),
    }


def _row(effect: ReratingEffect) -> list[str]:
    numbers = (effect.charged, effect.corrected, effect.difference)
    return [
        effect.customer_code,
        effect.customer_name,
        grouped(effect.lines),
        grouped(effect.quantity),
        *(exact(number) for number in numbers),
    ]
