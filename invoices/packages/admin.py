"""Quota packages in the admin: what was sold, used and expires; coverage; buying one for a customer."""

import datetime as dt
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.audit.audited_admin import AuditHistoryAdmin
from invoices.models import PackagePurchase
from invoices.packages.admin_filters import SOON_DAYS, ExpiresSoonFilter, PackageStateFilter
from invoices.packages.after_sale.admin import AfterSaleAdmin, outcome_in_words
from invoices.packages.coverage import COVERAGE_DAYS, percent_text, read_coverage
from invoices.packages.draws import draws_of
from invoices.packages.forms import AdminPurchaseForm, ShownPurchaseForm, hidden_fields
from invoices.packages.purchase import PurchasePlan, PurchaseRefused, buy_package, plan_purchase
from invoices.packages.status import CURRENT, PackageState, packages_at, planned_methods
from invoices.templatetags.amounts import exact, grouped, instant_text
from pricing.changes.base_form import offered_codes
from pricing.models import PackageTerms
from pricing.words import list_text
from sensenova_billing.lib import clock
from sensenova_billing.lib.admin.decorators import action, display
from sensenova_billing.lib.admin.filters import TranslatedChoicesFilter
from sensenova_billing.lib.admin.labels import Label
from sensenova_billing.lib.admin.links import row_link
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin

CUSTOMERS_SHOWN = 100
DRAWS_SHOWN = 100
# Each needs its latest draw looked up.
MOST_SUMMED = 1000
STATES: dict[str, str] = {
    PackageState.SCHEDULED: "info",
    PackageState.IN_FORCE: "success",
    PackageState.USED_UP: "warning",
    PackageState.EXPIRED: "default",
    PackageState.REFUNDED: "default",
}
INCOMPLETE = _("Nothing was bought: the page was sent incomplete. Check it again, then buy.")


class QuotaPackageAdmin(RobustUrlAdmin, ReadOnlyAdmin, AuditHistoryAdmin, AfterSaleAdmin):
    """Packages that customers bought; they are never changed, and bought on a page of their own."""

    list_display = (
        *("number", "customer_link", "product_name", "state_text", "used_text", "expires_text"),
        *("amount_text", "bought_by"),
    )
    list_filter = (PackageStateFilter, ExpiresSoonFilter, ("method", TranslatedChoicesFilter))
    search_fields = ("number", "customer__code", "customer__name", "product_name")
    ordering = ("-bought_at", "-id")
    list_per_page = 50
    list_before_template = "admin/packages_summary.html"
    change_form_outer_after_template = "admin/package_draws.html"
    actions_list = ("coverage",)
    fields = (
        *("number", "customer_link", "product_name", "method_text", "services", "contains", "state_text"),
        *("used_text", "begins_text", "expires_text", "ended_text", "list_price", "price", "quantity"),
        *("amount_text", "bought_text", "bought_by", "renewal_text"),
        "refund_text",
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        """With what is used and left, the state and the document, read at once."""
        return packages_at(clock.now()).order_by(*self.get_ordering(request))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """With the permission to make purchases."""
        return bool(request.user.has_perm("invoices.add_packagepurchase"))

    @display(description=_("customer"), ordering="customer__code")
    def customer_link(self, package: Any) -> str:
        """With a link."""
        return row_link("accounts_customer", package.customer_id, package.customer.code)

    @display(description=_("state"), label=STATES)
    def state_text(self, package: Any) -> Label:
        """Now."""
        return Label(package.state, gettext(PackageState(package.state).label))

    @display(description=_("method"))
    def method_text(self, package: Any) -> str:
        """As the price page words it."""
        return gettext(package.get_method_display())

    @display(description=_("contains"))
    def contains(self, package: Any) -> str:
        """Tokens or units, and the limits."""
        limits = _limits(package) if package.rpm else gettext("the usual limits")
        what = tokens_text(package.tokens) if package.tokens else units_text(package.units)
        return gettext("%(what)s: %(limits)s") % {"what": what, "limits": limits}

    @display(description=_("used"))
    def used_text(self, package: Any) -> str:
        """Of a Tokens package how much of what."""
        if package.used is None:
            return units_text(package.units)
        return gettext("%(part)s of %(whole)s (%(share)s)") % {
            "part": exact(package.used, 0),
            "whole": f"{package.tokens:,}",
            "share": percent_text(package.used, package.tokens),
        }

    @display(description=_("services"))
    def services(self, package: Any) -> str:
        """As on the document."""
        return str(package.purchase.services)

    @display(description=_("from (UTC)"), ordering="begins_at")
    def begins_text(self, package: Any) -> str:
        """The first instant."""
        return instant_text(package.begins_at)

    @display(description=_("expires (UTC)"), ordering="expires_at")
    def expires_text(self, package: Any) -> str:
        """The end (exclusive)."""
        return instant_text(package.expires_at)

    @display(description=_("ended (UTC)"))
    def ended_text(self, package: Any) -> str:
        """Where it ended before it expired, and why."""
        if not package.ended_at:
            return "-"
        return gettext("%(at)s: refunded") % {"at": instant_text(package.ended_at)}

    @display(description=_("list price (RMB)"))
    def list_price(self, package: Any) -> str:
        """Of one."""
        return exact(package.purchase.list_price)

    @display(description=_("price (RMB)"))
    def price(self, package: Any) -> str:
        """Of one, as it was bought."""
        return exact(package.purchase.price)

    @display(description=_("renewal"))
    def renewal_text(self, package: Any) -> str:
        """On or off, on whose order, and what came of it."""
        order = getattr(package, "renewal", None)
        if order is None:
            return gettext("off")
        text = gettext("on, by %(by)s") if order.is_on else gettext("off, by %(by)s")
        words = text % {"by": order.ordered_by}
        if not order.is_past:
            return words
        return gettext("%(order)s: %(outcome)s") % {"order": words, "outcome": outcome_in_words(order)}

    @display(description=_("refund"))
    def refund_text(self, package: Any) -> str:
        """The credit, or that it was ordered."""
        order, credit = getattr(package, "refund", None), getattr(package, "credit", None)
        if credit is not None:
            link = row_link("invoices_packagecredit", credit.pk, credit.number)
            return format_html(
                gettext("{link}: {amount} RMB for {left} of {quantity}, by {by}"),
                link=link,
                amount=exact(credit.credited),
                left=exact(credit.left, 0),
                quantity=f"{credit.quantity:,}",
                by=credit.ordered_by,
            )
        return gettext("ordered by %(by)s") % {"by": order.ordered_by} if order is not None else "-"

    @display(description=_("quantity bought"))
    def quantity(self, package: Any) -> str:
        """Units times days or months."""
        return grouped(package.purchase.quantity)

    @display(description=_("amount (RMB)"), ordering="purchase__amount")
    def amount_text(self, package: Any) -> str:
        """Price times quantity."""
        return exact(package.purchase.amount)

    @display(description=_("bought (UTC)"), ordering="bought_at")
    def bought_text(self, package: Any) -> str:
        """To the second."""
        return instant_text(package.bought_at)

    @display(description=_("bought by"), ordering="purchase__bought_by")
    def bought_by(self, package: Any) -> str:
        """The customer's owner, or the admin."""
        return str(package.purchase.bought_by)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """With a line that sums up the packages of the list, all its pages."""
        answer: Any = super().changelist_view(request, extra_context)
        found = getattr(answer, "context_data", None)
        if found and "cl" in found:
            found["summary"] = _summary(found["cl"].queryset, now=clock.now())
            found["most_summed"] = grouped(MOST_SUMMED)
        return answer  # type: ignore[no-any-return]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """With the newest draws."""
        package = self.get_object(request, object_id)
        context = {"draws": _draws_table(package)} if package and package.tokens else {}
        answer: HttpResponse = super().change_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )
        return answer

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Ask for customer and product; show what it would be; buy it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        now = clock.now()
        on_sale = PackageTerms.objects.in_force(at=now).select_related("product").order_by("product__name")
        # The form is in the query string at both steps, so that what is bought is what was shown.
        purchase_form = AdminPurchaseForm(request.GET or None, on_sale=on_sale)
        form = ShownPurchaseForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and purchase_form.is_valid():
            bought = self._buy(request, form, purchase_form, now=now)
            if bought is not None:
                return redirect(reverse("admin:pricing_quotapackage_change", args=[bought.pk]))
        plan = _planned(purchase_form, now=now)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Buy a package for a customer"),
            "purchase_form": purchase_form,
            "form": form,
            "plan": plan,
            "facts": _facts(plan) if plan else [],
            "changes": _changes_table(plan, now=now) if plan else None,
            "hidden": hidden_fields(begins_at=plan.begins_at, sent=form) if plan else {},
            "codes": offered_codes(),
            "back": reverse("admin:pricing_quotapackage_changelist"),
            "opts": self.opts,
        }
        return render(request, "admin/buy_package.html", context)

    def _buy(
        self,
        request: HttpRequest,
        form: ShownPurchaseForm,
        purchase_form: AdminPurchaseForm,
        *,
        now: dt.datetime,
    ) -> PackagePurchase | None:
        """Buy it, or put the reason for a refusal on the form."""
        if not form.is_valid():
            form.add_error(None, INCOMPLETE)
            return None
        try:
            bought = buy_package(
                **purchase_form.purchase(), **form.cleaned_data, by=request.user.get_username(), now=now
            )
        except PurchaseRefused as refusal:
            form.add_error(None, gettext("Nothing was bought. %(reason)s") % {"reason": refusal})
            return None
        self.log_addition(request, bought.package, f"Bought for {bought.customer_code}.")
        done = gettext("Bought for %(customer)s: package %(number)s.")
        messages.success(request, done % {"customer": bought.customer_code, "number": bought})
        return bought

    @action(description=_("Coverage"), url_path="coverage", permissions=["view"])
    def coverage(self, request: HttpRequest) -> HttpResponse:
        """How much of what customers with packages used was covered."""
        found = read_coverage(now=clock.now())
        rows = [
            [one.customer_code, one.customer_name, grouped(one.used), grouped(one.covered)]
            + [percent_text(one.covered, one.used)]
            for one in found[:CUSTOMERS_SHOWN]
        ]
        used, covered = (sum(getattr(one, name) for one in found) for name in ("used", "covered"))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Coverage of the last %(days)s days") % {"days": COVERAGE_DAYS},
            "customers": len(found),
            "shown": len(rows),
            "used": grouped(used),
            "covered": grouped(covered),
            "share": percent_text(covered, used),
            "table": {
                "headers": [
                    *(gettext("customer"), gettext("name"), gettext("tokens used"), gettext("covered")),
                    gettext("coverage"),
                ],
                "rows": rows,
            },
            "back": reverse("admin:pricing_quotapackage_changelist"),
            "opts": self.opts,
        }
        return render(request, "admin/package_coverage.html", context)


def _summary(packages: Any, *, now: dt.datetime) -> dict[str, str]:
    """Return what the packages of a list come to, as the page shows it; nothing of too many."""
    keys = list(packages.order_by().values_list("pk", flat=True)[: MOST_SUMMED + 1])
    if len(keys) > MOST_SUMMED:
        return {}
    soon = Q(state__in=CURRENT, expires_at__lte=now + dt.timedelta(days=SOON_DAYS))
    # An aggregate hides a column of the same name from those after it.
    total = (
        packages_at(now)
        .filter(pk__in=keys)
        .aggregate(
            packages=Count("pk"),
            all_amounts=Sum("purchase__amount", default=0),
            packages_in_force=Count("pk", filter=Q(state=PackageState.IN_FORCE)),
            all_tokens=Sum("tokens", default=0),
            all_used=Sum("used", default=0),
            expiring=Count("pk", filter=soon),
        )
    )
    return {
        "sold": grouped(total["packages"]),
        "amount": exact(total["all_amounts"]),
        "in_force": grouped(total["packages_in_force"]),
        "used": exact(total["all_used"], 0),
        "tokens": grouped(total["all_tokens"]),
        "share": percent_text(total["all_used"], total["all_tokens"]),
        "soon": grouped(total["expiring"]),
        "days": str(SOON_DAYS),
    }


def _draws_table(package: Any) -> dict[str, Any]:
    rows = [
        [
            f"{draw.bill.hour_id:%Y-%m-%d %H:%M}",
            _bill_link(draw.bill),
            exact(draw.left_before, 0),
            (gettext("%(tokens)s given back") if draw.is_return else gettext("%(tokens)s drawn"))
            % {"tokens": exact(draw.tokens, 0)},
            exact(draw.left, 0),
            instant_text(draw.ran_out_at) if draw.ran_out_at else "",
        ]
        for draw in draws_of(package).order_by("-id")[:DRAWS_SHOWN]
    ]
    headers = [
        *(gettext("billing hour (UTC)"), gettext("bill"), gettext("left before"), gettext("tokens")),
        *(gettext("left"), gettext("ran out (UTC)")),
    ]
    return {"headers": headers, "rows": rows}


def _bill_link(bill: Any) -> str:
    return row_link("invoices_hourlybill", bill.pk, bill.number)


def _planned(form: AdminPurchaseForm, *, now: dt.datetime) -> PurchasePlan | None:
    """Return what the purchase would be now; None if it cannot be made, with the reason on the form."""
    if not form.is_valid():
        return None
    try:
        return plan_purchase(**form.purchase(), now=now)
    except PurchaseRefused as refusal:
        form.refuse(refusal)
        return None


def _facts(plan: PurchasePlan) -> list[tuple[str, str]]:
    terms = plan.terms
    what = tokens_text(terms.tokens) if terms.tokens else units_text(plan.units or 0)
    period = {"begin": instant_text(plan.begins_at), "end": instant_text(plan.expires_at)}
    prices = {"price": exact(terms.price), "list_price": exact(terms.list_price)}
    facts = [
        (gettext("customer"), f"{plan.customer.name} ({plan.customer.code})"),
        (gettext("product"), f"{terms.product.name}: {gettext(plan.method.label)}"),
        (gettext("contains"), list_text([what, _limits(plan)] if plan.rpm else [what])),
        (gettext("in force (UTC)"), gettext("%(begin)s until %(end)s") % period),
        (gettext("price (RMB)"), gettext("%(price)s; list price %(list_price)s") % prices),
        (gettext("amount (RMB)"), f"{exact(plan.amount)} = {plan.quantity:,} x {exact(terms.price)}"),
    ]
    if plan.waits_for:
        facts.append((gettext("waits for the end of"), gettext(plan.waits_for.label)))
    return facts


def _changes_table(plan: PurchasePlan, *, now: dt.datetime) -> dict[str, Any]:
    begins = list_text([gettext(plan.method.label), instant_text(plan.begins_at)])
    rows = []
    for one in planned_methods(plan, now=now):
        ending = [
            list_text([gettext(span.method.label), instant_text(span.ends_at or plan.begins_at)])
            for span in one.ending
        ]
        if one.goes_on_until:
            text = gettext("nothing: this method is in force until %(end)s")
            ending.append(text % {"end": instant_text(one.goes_on_until)})
        rows.append([one.service.name, "; ".join(ending), begins])
    return {"headers": [gettext("service"), gettext("ends (UTC)"), gettext("begins (UTC)")], "rows": rows}


def _limits(limited: Any) -> str:
    return f"{limited.tpm:,} TPM, {limited.rpm:,} RPM"


def tokens_text(number: int) -> str:
    """Return e.g. `1,000 tokens`."""
    return gettext("%(number)s tokens") % {"number": f"{number:,}"}


def units_text(number: int) -> str:
    """Return e.g. `3 units`."""
    return ngettext("%(number)s unit", "%(number)s units", number) % {"number": f"{number:,}"}
