"""What admins do with a package that a customer has: switch its renewal, refund what is left of it."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from invoices.models import PackageRenewal
from invoices.packages.after_sale.forms import RefundForm, RenewalForm
from invoices.packages.after_sale.refund import RefundPlan, refund_shown
from invoices.packages.after_sale.renewal import (
    RenewalRefused,
    refusal_in_words,
    renewal_shown,
    switch_renewal,
)
from invoices.packages.status import status_of
from invoices.templatetags.amounts import exact, instant_text
from pricing.rules.validity import ValidityUnit
from sensenova_billing.lib import clock
from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import action


class AfterSaleAdmin(ModelAdmin):
    """The actions on the page of a package."""

    actions_detail = ("renewal", "refund")

    def has_after_sale_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Those who may buy for customers."""
        return bool(request.user.has_perm("invoices.add_packagepurchase"))

    @action(description=_("Renewal"), url_path="renewal", permissions=["after_sale"])
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
                form.add_error(None, gettext("Nothing was changed. %(reason)s") % {"reason": refusal})
            else:
                done = (
                    gettext("The renewal of %(number)s is on.")
                    if is_on
                    else gettext("The renewal of %(number)s is off.")
                )
                messages.success(request, done % {"number": package})
                return redirect(reverse("admin:pricing_quotapackage_change", args=[package.pk]))
        shown = renewal_shown(status_of(package), now=now)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Renewal of %(number)s") % {"number": package},
            "form": form,
            "shown": shown,
            "facts": _renewal_facts(package, shown or {}),
            "back": reverse("admin:pricing_quotapackage_change", args=[package.pk]),
            "opts": self.opts,
        }
        return render(request, "admin/package_renewal.html", context)

    @action(description=_("Refund"), url_path="refund", permissions=["after_sale"])
    def refund(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what would be credited; then end the package."""
        package: Any = self.get_object(request, object_id)
        if package is None:
            raise Http404
        now, change_url = clock.now(), reverse("admin:pricing_quotapackage_change", args=[object_id])
        form = RefundForm(request.POST if request.method == "POST" else None)
        if form.is_bound and form.order(package=package, by=request.user.get_username(), now=now) == 200:
            done = gettext("%(number)s is refunded; its credit comes with the next closing.")
            messages.success(request, done % {"number": package})
            return redirect(change_url)
        plan, refusal = refund_shown(package=package, now=now)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Refund %(number)s") % {"number": package},
            "form": form,
            "plan": plan,
            "facts": [(gettext("customer"), package.customer.code), *_refund_facts(plan, refusal)],
            "back": change_url,
            "opts": self.opts,
        }
        return render(request, "admin/package_refund.html", context)


def _refund_facts(plan: RefundPlan | None, refusal: str) -> list[tuple[str, str]]:
    if plan is None:
        return [(gettext("cannot be refunded"), refusal)]
    left = {"left": exact(plan.left, 0), "quantity": f"{plan.quantity:,}"}
    credit = {"amount": exact(plan.credited), "exact": exact(plan.amount)}
    return [
        (gettext("ends (UTC)") if plan.has_begun else gettext("never begins"), instant_text(plan.ends_at)),
        (gettext("left"), _left_text(plan) % left),
        (gettext("paid (RMB)"), exact(plan.paid)),
        (gettext("credit (RMB)"), gettext("%(amount)s, exactly %(exact)s") % credit),
    ]


def _left_text(plan: RefundPlan) -> str:
    if plan.package.tokens:
        return gettext("%(left)s of %(quantity)s tokens")
    if plan.package.terms.validity_unit == ValidityUnit.DAY:
        return gettext("%(left)s of %(quantity)s units times days")
    return gettext("%(left)s of %(quantity)s units times months")


def outcome_in_words(order: PackageRenewal) -> str:
    """Return what came of the order to renew a package: why it was refused, or the new package."""
    if order.refused_because:
        return refusal_in_words(order)
    return gettext("renewed by %(number)s") % {"number": order.renewed_by}


def _renewal_facts(package: Any, shown: dict[str, Any]) -> list[tuple[str, str]]:
    order, offer = shown.get("order"), shown.get("offer")
    facts = [
        (gettext("customer"), package.customer.code),
        (gettext("expires (UTC)"), instant_text(package.expires_at)),
    ]
    facts.append((gettext("renewal"), gettext("on") if shown.get("is_on") else gettext("off")))
    if order is not None:
        facts.append((gettext("switched by"), f"{order.ordered_by}, {instant_text(order.ordered_at)}"))
        if order.is_past:
            facts.append((gettext("outcome"), outcome_in_words(order)))
    if offer is not None:
        text = gettext("%(amount)s; the price in force then counts")
        facts.append((gettext("costs now (RMB)"), text % {"amount": exact(offer.amount)}))
    if "refusal" in shown:
        facts.append((gettext("cannot be renewed now"), shown["refusal"]))
    return facts
