"""The public price page and a customer's own, with their calculator. Another customer's page is 404."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts.api_keys.customer_access import customer_of_person
from accounts.models import Customer
from pricing.catalogue.estimates import PricedService, estimate_at_prices
from pricing.catalogue.forms import CalculatorForm
from pricing.catalogue.offering import Catalog, catalog_at, catalogs_of
from pricing.catalogue.own_prices import own_prices, planned_changes
from pricing.catalogue.price_page import call_limits, families_of, upcoming_changes
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from pricing.rules.methods import RPM_OF_UNIT, TPM_OF_UNIT, BillingMethod
from pricing.words import kind_name, measure_name, units_in_words
from sensenova_billing.lib import clock

# The page is public, so it uses the default time zone of customers.
CLOCK = "Asia/Shanghai"


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("input_text")
def prices(request: HttpRequest) -> HttpResponse:
    """Show what is on sale, what will change, the call limits, and what some usage costs."""
    now = clock.now()
    catalog = catalog_at(at=now)
    context = {
        "families": families_of(catalog),
        "changes": upcoming_changes(catalog),
        "call_limits": call_limits(catalog),
        "packages": catalog.packages,
        "methods": {method.name: gettext(method.label) for method in BillingMethod},
        "unit": {"tpm": TPM_OF_UNIT, "rpm": RPM_OF_UNIT},
        "clock": CLOCK,
        **_calculation(request, catalog=catalog),
    }
    with timezone.override(CLOCK):
        return render(request, "prices.html", context)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("input_text")
def customer_prices(request: HttpRequest, code: str) -> HttpResponse:
    """Show what a customer pays beside what everybody pays, what will change, and what some usage costs."""
    customer = customer_of_person(person=request.user, code=code)
    now = clock.now()
    own, general = catalogs_of(customer=customer, at=now)
    groups = own_prices(own=own, general=general)
    context = {
        "customer": customer,
        "groups": groups,
        "has_contract_prices": any(price.is_contract for group in groups for price in group.prices),
        "changes": planned_changes(own=own, general=general),
        "packages": own.packages,
        **_calculation(request, catalog=own, customer=customer),
    }
    with timezone.override(customer.time_zone):
        return render(request, "customer_prices.html", context)


def calculator_words() -> dict[str, Any]:
    """Return what the calculator's script says, in the language of the page."""
    return {
        "measures": {measure.value: measure_name(measure) for measure in Measure},
        "kinds": {kind.value: {"label": kind_name(kind), "badge": kind.badge} for kind in Kind},
        "units": units_in_words(),
        "text": gettext("Text"),
        "total": gettext("Total: RMB %(amount)s"),
        "field": gettext("%(field)s: %(reason)s"),
        "negative": gettext("Give 0 or more."),
        "not_whole": gettext("Give a whole number, e.g. 1500 or 1,500."),
        "too_long": gettext("Give a number of at most 18 digits."),
        "too_large": gettext("Give %(limit_value)s or less."),
        "twice": gettext("Give either the number of characters or the text, not both."),
        "unanswered": gettext(
            "The server did not answer, so nothing was calculated. Press the button to try again."
        ),
    }


def _calculation(
    request: HttpRequest, *, catalog: Catalog, customer: Customer | None = None
) -> dict[str, Any]:
    """Return the calculator's form and, where it says what is used, what that costs."""
    data = request.POST if request.method == "POST" else request.GET
    form = CalculatorForm(data if "service" in data else None, catalog=catalog)
    usage = form.usage() if form.is_valid() else None
    priced = {
        name: PricedService(name, {item.measure: item.price for item in sold.items})
        for name, sold in form.services.items()
    }
    return {
        "form": form,
        "services": {name: sorted(service.prices) for name, service in priced.items()},
        "words": calculator_words(),
        "estimate": estimate_at_prices(usages=[usage], services=priced) if usage else None,
        "calculator_url": reverse("customer_prices", args=[customer.code]) if customer else reverse("prices"),
    }
