"""A customer's pages of quota packages: what there is, one with its log, and buying one.

Those of another customer are 404; buying is for the customer's owners, anybody else gets 403.
"""

import datetime as dt
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.api_keys.customer_access import (
    customer_of_owner,
    customer_of_person,
    customers_of_person,
    is_owner,
)
from accounts.models import Customer
from invoices.drilldown.downloads import csv_download_or_page
from invoices.models import PackagePurchase
from invoices.packages.after_sale.notices import notices_of
from invoices.packages.after_sale.refund import may_refund
from invoices.packages.after_sale.renewal import renewal_shown
from invoices.packages.draws import DRAW_COLUMNS, draw_rows, draws_of, overruns_of
from invoices.packages.forms import AmountForm, OrderForm, PageForm, hidden_fields
from invoices.packages.pagination import newest_first
from invoices.packages.purchase import (
    PlanChanged,
    PurchasePlan,
    PurchaseRefused,
    buy_package,
    plan_purchase,
)
from invoices.packages.status import (
    PackageStatus,
    current_packages,
    ended_packages,
    methods_of,
    packages_at,
    planned_methods,
    status_of,
)
from pricing.models import PackageTerms
from sensenova_billing.lib import clock

PACKAGES_A_PAGE = 50
DRAWS_A_PAGE = 50
# In local time the page says when it would begin now; the refusal would say it in UTC.
CHANGED = _("Nothing was bought: the package would begin at another hour by now. Check the dates below.")


@never_cache
@login_required
@require_safe
def customer_packages(request: HttpRequest, code: str) -> HttpResponse:
    """The packages in force and to come, the billing methods, and the packages that have ended."""
    customer = customer_of_person(person=request.user, code=code)
    now = clock.now()
    form = PageForm(request.GET)
    ended = newest_first(ended_packages(customer=customer, at=now), size=PACKAGES_A_PAGE, **form.keys())
    with timezone.override(customer.time_zone):
        context = {
            "customer": customer,
            "now": now,
            "notices": notices_of(customer=customer, at=now),
            "current": current_packages(customer=customer, at=now),
            "methods": methods_of(customer=customer, at=now),
            "ended": [status_of(one) for one in ended.rows],
            "page": ended,
            "form": form,
            "may_buy": is_owner(person=request.user, customer=customer),
        }
        return render(request, "packages.html", context, status=200 if form.is_valid() else 400)


@never_cache
@login_required
@require_safe
def package(request: HttpRequest, number: str) -> HttpResponse:
    """A package: its document, what it covers, and its log, newest first."""
    now = clock.now()
    status = _own_package(request, number, now)
    form = PageForm(request.GET)
    log = draws_of(status.package) if status.package.tokens else overruns_of(status.package)
    page = newest_first(log, size=DRAWS_A_PAGE, **form.keys())
    is_owned = is_owner(person=request.user, customer=status.package.customer)
    with timezone.override(status.package.customer.time_zone):
        context = {
            "customer": status.package.customer,
            "status": status,
            "renewal": renewal_shown(status, now=now),
            "may_buy": is_owned,
            "may_refund": is_owned and may_refund(status, now=now),
            "periods": status.package.periods.select_related("service").order_by("service__name"),
            "weights": status.package.weights.select_related("billing_item__service"),
            "form": form,
            "page": page,
        }
        return render(request, "package.html", context, status=200 if form.is_valid() else 400)


@never_cache
@login_required
@require_safe
def package_draws_csv(request: HttpRequest, number: str) -> HttpResponseBase:
    """The whole log of a package."""
    found = _own_package(request, number, clock.now()).package
    return csv_download_or_page(name=f"{found.number}-draws", head=DRAW_COLUMNS, rows=draw_rows(found))


@never_cache
@login_required
@require_safe
def choose_product(request: HttpRequest, code: str) -> HttpResponse:
    """The products on sale."""
    customer = customer_of_owner(person=request.user, code=code)
    now = clock.now()
    with timezone.override(customer.time_zone):
        on_sale = PackageTerms.objects.in_force(at=now).with_covered_services().select_related("product")
        context = {
            "customer": customer,
            "now": now,
            "on_sale": on_sale.order_by("product__method", "product__name"),
        }
        return render(request, "choose_product.html", context)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def buy(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """What a purchase costs, covers and changes; then the purchase, if it still is what was shown."""
    customer = customer_of_owner(person=request.user, code=code)
    now = clock.now()
    terms = get_object_or_404(
        PackageTerms.objects.filter(begins_at__lte=now).select_related("product"), pk=pk
    )
    if request.method == "POST":
        order = OrderForm(request.POST, terms=terms)
        bought, status = _ordered(request, order, customer=customer, terms=terms, now=now)
        if bought is not None:
            messages.success(
                request,
                _("Bought: %(product)s, number %(number)s.")
                % {"product": bought.package.product_name, "number": bought},
            )
            return redirect("customer_package", number=bought.package.number)
        return _show_purchase(request, customer=customer, terms=terms, form=order, now=now, status=status)
    is_chosen = "units" in request.GET or terms.tokens is not None
    form = AmountForm(request.GET if is_chosen else None, terms=terms)
    return _show_purchase(request, customer=customer, terms=terms, form=form, now=now)


def _ordered(
    request: HttpRequest, order: OrderForm, *, customer: Customer, terms: PackageTerms, now: dt.datetime
) -> tuple[PackagePurchase | None, int]:
    """Return the purchase; or None and the status of the refusal, which then is on the form."""
    if not order.is_valid():
        return None, 400
    try:
        bought = buy_package(
            customer=customer,
            terms=terms,
            **order.amount(),
            order_id=order.cleaned_data["order_id"],
            begins_at=order.cleaned_data["begins_at"],
            by=request.user.get_username(),
            now=now,
        )
    except PlanChanged:
        order.add_error(None, CHANGED)
        return None, 409
    except PurchaseRefused as refusal:
        order.refuse(refusal)
        return None, 400
    return bought, 200


def _show_purchase(
    request: HttpRequest,
    *,
    customer: Customer,
    terms: PackageTerms,
    form: AmountForm,
    now: dt.datetime,
    status: int = 200,
) -> HttpResponse:
    plan = _planned(form, customer=customer, terms=terms, now=now)
    if form.errors and status == 200:
        status = 400
    with timezone.override(customer.time_zone):
        context: dict[str, Any] = {
            "customer": customer,
            "terms": terms,
            "form": form,
            "plan": plan,
            "planned": planned_methods(plan, now=now) if plan else [],
            "weights": terms.weights.select_related("billing_item__service"),
            "hidden": hidden_fields(begins_at=plan.begins_at, sent=form) if plan else {},
        }
        return render(request, "buy_package.html", context, status=status)


def _planned(
    form: AmountForm, *, customer: Customer, terms: PackageTerms, now: dt.datetime
) -> PurchasePlan | None:
    """Return what the purchase would be now; None if it cannot be made, with the reason on the form."""
    if not form.is_bound or any(name in form.errors for name in ("units", "periods")):
        return None
    try:
        return plan_purchase(customer=customer, terms=terms, **form.amount(), now=now)
    except PurchaseRefused as refusal:
        if not form.errors:
            form.refuse(refusal)
        return None


def _own_package(request: HttpRequest, number: str, now: dt.datetime) -> PackageStatus:
    found = packages_at(now).filter(customer__in=customers_of_person(person=request.user))
    # No number holds a NUL, and PostgreSQL takes no parameter with one.
    return status_of(get_object_or_404(found, number=number.replace("\0", "")))
