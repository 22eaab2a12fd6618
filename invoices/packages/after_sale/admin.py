"""What admins do with a package that a customer has: switch its renewal, refund what is left of it."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from invoices.packages.after_sale.forms import RefundForm, RenewalForm
from invoices.packages.after_sale.refund import RefundPlan, refund_shown
from invoices.packages.after_sale.renewal import RenewalRefused, renewal_shown, switch_renewal
from invoices.packages.status import status_of
from invoices.templatetags.amounts import exact, instant_text
from sensenova_billing.lib import clock
from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import action


class AfterSaleAdmin(ModelAdmin):
    """The actions on the page of a package."""

    actions_detail = ("renewal", "refund")

    def has_after_sale_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Those who may buy for customers."""
        return bool(request.user.has_perm("invoices.add_packagepurchase"))

    @action(description="Renewal", url_path="renewal", permissions=["after_sale"])
    def renewal(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what a renewal would cost now, and switch it."""
        package: Any = self.get_object(request, object_id)
        if package is None:
            raise Http404
        now = clock.now()
        form = RenewalForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            is_on, by = form.cleaned_data["renewal"] == "on", request.user.get_username()
            try:
                switch_renewal(package=package, is_on=is_on, by=by, now=now)
            except RenewalRefused as refusal:
                form.add_error(None, f"Nothing was changed. {refusal}")
            else:
                messages.success(request, f"The renewal of {package} is {'on' if is_on else 'off'}.")
                return redirect(reverse("admin:pricing_quotapackage_change", args=[package.pk]))
        shown = renewal_shown(status_of(package), now=now)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Renewal of {package}",
            "form": form,
            "shown": shown,
            "facts": _renewal_facts(package, shown or {}),
            "back": reverse("admin:pricing_quotapackage_change", args=[package.pk]),
            "opts": self.opts,
        }
        return render(request, "admin/package_renewal.html", context)

    @action(description="Refund", url_path="refund", permissions=["after_sale"])
    def refund(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what would be credited; then end the package."""
        package: Any = self.get_object(request, object_id)
        if package is None:
            raise Http404
        now, change_url = clock.now(), reverse("admin:pricing_quotapackage_change", args=[object_id])
        form = RefundForm(request.POST if request.method == "POST" else None)
        if form.is_bound and form.order(package=package, by=request.user.get_username(), now=now) == 200:
            messages.success(request, f"{package} is refunded; its credit comes with the next closing.")
            return redirect(change_url)
        plan, refusal = refund_shown(package=package, now=now)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Refund {package}",
            "form": form,
            "plan": plan,
            "facts": [("customer", package.customer.code), *_refund_facts(plan, refusal)],
            "back": change_url,
            "opts": self.opts,
        }
        return render(request, "admin/package_refund.html", context)


def _refund_facts(plan: RefundPlan | None, refusal: str) -> list[tuple[str, str]]:
    if plan is None:
        return [("cannot be refunded", refusal)]
    unit = "tokens" if plan.package.tokens else f"units times {plan.package.terms.validity_unit}s"
    return [
        ("ends (UTC)" if plan.has_begun else "never begins", instant_text(plan.ends_at)),
        ("left", f"{exact(plan.left, 0)} of {plan.quantity:,} {unit}"),
        ("paid (RMB)", exact(plan.paid)),
        ("credit (RMB)", f"{exact(plan.credited)}, exactly {exact(plan.amount)}"),
    ]


def _renewal_facts(package: Any, shown: dict[str, Any]) -> list[tuple[str, str]]:
    order, offer = shown.get("order"), shown.get("offer")
    facts = [("customer", package.customer.code), ("expires (UTC)", instant_text(package.expires_at))]
    facts.append(("renewal", "on" if shown.get("is_on") else "off"))
    if order is not None:
        facts.append(("switched by", f"{order.ordered_by}, {instant_text(order.ordered_at)}"))
        if order.is_past:
            facts.append(("outcome", order.refused_because or f"renewed by {order.renewed_by}"))
    if offer is not None:
        facts.append(("costs now (RMB)", f"{exact(offer.amount)}; the price in force then counts"))
    if "refusal" in shown:
        facts.append(("cannot be renewed now", shown["refusal"]))
    return facts
