"""What quota packages allow: TPM packages in place of the call specification, Tokens packages above it."""

import datetime as dt
import re
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.api_keys.keys import issue_service_key
from accounts.models import Scope
from invoices.packages.purchase import buy_package
from pricing.catalogue.initial import load_catalogue
from pricing.models import CallSpecification, MethodPeriod, PackageProduct, PackageTerms
from tests.invoices.browsing import text
from tests.packages import tokens_package, tpm_package
from tests.tables import table
from tests.usage.limits.builders import LONG_AGO, NAME, OTHER, ask, limit, service, unlimited_service
from usage.billing_hours import hour_of
from usage.bounds import MOST_LIMIT
from usage.limits.entitlements import Entitlement, EntitlementRequest, Entitlements, read_entitlements
from usage.limits.status import LimitSource, limits_of
from usage.limits.stores.windows import CallLimits
from usage.models import HOUR

pytestmark = pytest.mark.django_db

NOW = dt.datetime.now(dt.UTC)
BEGIN, END = hour_of(NOW) - HOUR, hour_of(NOW) + 5 * HOUR
MOMENT = dt.timedelta(microseconds=1)
USUAL = CallLimits(60, 128_000)


def limits_at(customer, *instants, name=NAME):
    """The limits within which a customer's calls are admitted at each of these instants; None: not at all."""
    asked = EntitlementRequest(customer.code, name, None)
    read = [read_entitlements([asked], now=at)[asked].entitlement for at in instants]
    return [getattr(one, "limits", None) for one in read]


def in_force(customer, name=NAME, at=NOW):
    """The limits as pages show them."""
    return next(one.in_force for one in limits_of(customer=customer, now=at) if one.service.name == name)


def both(customer, **at):
    """The limits of admission, which are those that pages show."""
    (admitted,) = limits_at(customer, NOW, **at)
    assert in_force(customer, **at).limits == admitted
    return admitted


# --- Which limits apply ----------------------------------------------------------------------------

WORKED = table("call-limits.md", "packages in force", "specified", "limits", "they come from")


def numbers(cell):
    """The RPM and TPM in a cell; None for those that it does not state."""
    if " / " not in cell:
        return None
    return [None if one == "no TPM" else int(one.replace(",", "")) for one in cell.split(" / ")]


def put_in_force(customer, cell, name):
    """Let the customer have these packages."""
    of = {"begins_at": BEGIN, "ends_at": END, "service": name}
    for kind, one in re.findall(r"(TPM|Tokens) (\d+ unit|[\d,]+ / [\d,]+\d|no limits)", cell):
        if kind == "TPM":
            tpm_package(customer, int(one.split()[0]), **of)
        else:
            tokens_package(customer, *(numbers(one) or (None, None)), **of)


@pytest.mark.parametrize(("packages", "specified", "limits", "source"), WORKED)
def test_limits_are_those_of_the_documentation(packages, specified, limits, source, acme):
    sold = unlimited_service()
    if both_of := numbers(specified):
        rpm, tpm = both_of
        CallSpecification.objects.create(service=sold, rpm=rpm, tpm=tpm, begins_at=LONG_AGO)
    put_in_force(acme, packages, sold.name)

    assert both(acme, name=sold.name) == (numbers(limits) and CallLimits(*numbers(limits)))
    shown = in_force(acme, sold.name)
    specification = "call specification" if shown.source == LimitSource.DEFAULT else ""
    assert (shown.from_packages or specification) == source


# --- TPM packages ----------------------------------------------------------------------------------


def test_the_units_of_tpm_packages_in_force_are_added_up(acme, globex):
    tpm_package(acme, 3, begins_at=BEGIN, ends_at=END)
    tpm_package(acme, 2, begins_at=BEGIN, ends_at=END + HOUR)
    tpm_package(acme, 7, begins_at=BEGIN, ends_at=END, service=OTHER)

    assert both(acme) == CallLimits(5 * 33, 50_000)
    assert both(globex) == USUAL


def test_a_service_without_a_call_specification_admits_what_was_bought(acme):
    name = unlimited_service().name
    tpm_package(acme, 1, begins_at=BEGIN, ends_at=END, service=name)

    found = limits_at(acme, BEGIN - MOMENT, BEGIN, END - MOMENT, END, name=name)

    assert found == [None, CallLimits(33, 10_000), CallLimits(33, 10_000), None]


def test_packages_apply_from_the_beginning_of_their_hour_until_before_their_end(acme):
    tpm_package(acme, 1, begins_at=BEGIN, ends_at=END)
    tpm_package(acme, 2, begins_at=BEGIN + HOUR, ends_at=END + HOUR)
    edges = (BEGIN, BEGIN + HOUR, END, END + HOUR)

    found = limits_at(acme, *(at for edge in edges for at in (edge - MOMENT, edge)))

    units = [limits if limits == USUAL else limits.tpm // 10_000 for limits in found]
    assert units == [USUAL, 1, 1, 3, 3, 2, 2, USUAL]


def test_a_sum_beyond_what_the_stores_count_is_the_most_that_they_count(acme):
    for _ in range(22):
        tpm_package(acme, 10_000, begins_at=BEGIN, ends_at=END)

    assert both(acme) == CallLimits(22 * 330_000, MOST_LIMIT)


def test_cached_input_counts_as_the_call_specification_says(acme):
    limit(acme, 1, excludes_cached_input=True)
    tpm_package(acme, 1, begins_at=BEGIN, ends_at=END)
    tpm_package(acme, 1, begins_at=BEGIN, ends_at=END, service=unlimited_service().name)

    assert [in_force(acme, name).excludes_cached_input for name in (NAME, "nova-2")] == [True, False]


# --- Tokens packages -------------------------------------------------------------------------------


def test_where_one_method_ends_the_other_begins_in_the_same_instant(acme):
    tokens_package(acme, 100, 500_000, begins_at=BEGIN, ends_at=BEGIN + HOUR)
    tpm_package(acme, 1, begins_at=BEGIN + HOUR, ends_at=END)

    found = limits_at(acme, BEGIN, BEGIN + HOUR - MOMENT, BEGIN + HOUR, END)

    assert found == [CallLimits(100, 500_000), CallLimits(100, 500_000), CallLimits(33, 10_000), USUAL]


# --- Admission -------------------------------------------------------------------------------------


@pytest.fixture
def admit():
    """Ask over HTTP for a call of so many tokens by Acme, as a gateway does."""
    key = issue_service_key(name="gateway", scopes=[Scope.CALLS_ADMIT])[1]

    def admit(tokens):
        call = {"customer": "acme", "service": NAME, "estimated_tokens": tokens}
        headers = {"Authorization": f"Bearer {key}"}
        return Client().post(reverse("api_calls"), call, content_type="application/json", headers=headers)

    return admit


@pytest.fixture(params=["postgresql", "redis"])
def store(request, settings):
    """Keep the windows in this store."""
    settings.REDIS_URL = request.getfixturevalue("redis_url") if request.param == "redis" else ""


def test_what_was_bought_is_admitted_and_the_rest_refused(store, admit, acme):
    tpm_package(acme, 1, begins_at=BEGIN, ends_at=END)
    tpm_package(acme, 2, begins_at=BEGIN, ends_at=END)

    answers = [admit(tokens) for tokens in (30_000, 1, 30_001)]

    assert answers[0].json()["limits"] == {"requests": 99, "tokens": 30_000}
    codes = [answer.json()["error"]["code"] for answer in answers[1:]]
    assert [answer.status_code for answer in answers] == [200, 429, 429]
    assert codes == ["tpm_exhausted", "never_within_limits"]


def test_what_was_admitted_before_a_package_began_counts_in_it(store, admit, acme):
    ask(acme, 9_000, limits=USUAL)
    tpm_package(acme, 1, begins_at=BEGIN, ends_at=END)

    assert [admit(tokens).status_code for tokens in (1_001, 1_000)] == [429, 200]


# --- The cache -------------------------------------------------------------------------------------


@pytest.fixture
def cached(transactional_db, acme):
    """Acme's limits for SenseChat-5 at an instant, by entitlements that are cached."""
    load_catalogue()
    entitlements = Entitlements()

    def cached(at):
        (found,) = entitlements.of([EntitlementRequest("acme", NAME, None)], now=at)
        assert isinstance(found, Entitlement)
        return found.limits

    assert cached(NOW) == USUAL
    return cached


def buy(customer, *, tokens=None, units=None, **terms):
    """Buy a package of a product that is put on sale for it."""
    method = "tpm_package" if tokens is None else "tokens_package"
    with transaction.atomic():
        product = PackageProduct.objects.create(name="Bought", method=method)
        sold = PackageTerms.objects.create(product=product, tokens=tokens, list_price=1, **terms)
        sold.services.add(service())
        purchase = buy_package(
            customer=customer, terms=sold, units=units, order_id=uuid4(), by="alice", now=timezone.now()
        )
    return purchase.package


def test_a_tokens_package_that_is_bought_holds_within_a_second(cached, acme):
    begun = buy(acme, tokens=1000, rpm=100, tpm=500_000).begins_at

    assert cached(max(NOW + dt.timedelta(seconds=1), begun)) == CallLimits(100, 500_000)


def test_a_tpm_package_that_is_bought_holds_from_the_first_instant_of_its_hour(cached, acme):
    begin = buy(acme, units=2).begins_at

    assert [cached(at) for at in (begin - MOMENT, begin)] == [USUAL, CallLimits(66, 20_000)]


def test_a_package_that_expires_holds_until_before_its_last_instant(cached, acme):
    tpm_package(acme, 2, begins_at=BEGIN, ends_at=END)
    last = END - dt.timedelta(milliseconds=500)

    assert [cached(at) for at in (last, END - MOMENT, END)] == [CallLimits(66, 20_000)] * 2 + [USUAL]


def test_a_package_that_ends_early_is_known_within_a_second(cached, acme):
    """It ends as a closing ends it, at the end of the hour in which it was used up."""
    package = tpm_package(acme, 2, begins_at=BEGIN, ends_at=END)
    sooner = BEGIN + 3 * HOUR
    before = cached(sooner - dt.timedelta(seconds=30))

    MethodPeriod.objects.filter(package=package).update(ends_at=sooner)
    package.ended_at = sooner
    package.save(update_fields=["ended_at"])

    after = [cached(sooner + dt.timedelta(seconds=seconds)) for seconds in (-29, 0)]
    assert [before, *after] == [CallLimits(66, 20_000), CallLimits(66, 20_000), USUAL]


# --- Shown -----------------------------------------------------------------------------------------


def told(customer):
    """What the API tells of SenseChat-5."""
    key = issue_service_key(name="books", scopes=[Scope.BILLING_READ])[1]
    answer = Client().get(
        reverse("api_limits"), {"customer": customer.code}, headers={"Authorization": f"Bearer {key}"}
    )
    (said,) = [one for one in answer.json()["services"] if one["service"] == NAME]
    return said["limits"], said["limits_from"], said["units"]


def test_programs_are_told_the_limits_and_where_they_come_from(acme):
    default = told(acme)
    tokens_package(acme, 100, 500_000, begins_at=BEGIN, ends_at=END)

    assert default == ({"requests": 60, "tokens": 128_000}, "default_call_specification", None)
    assert told(acme) == ({"requests": 100, "tokens": 500_000}, "tokens_package", None)


def test_programs_are_told_the_units_of_tpm_packages(acme):
    tpm_package(acme, 1, begins_at=BEGIN, ends_at=END)
    tpm_package(acme, 2, begins_at=BEGIN, ends_at=END)

    assert told(acme) == ({"requests": 99, "tokens": 30_000}, "tpm_package", 3)


@pytest.mark.parametrize(
    ("units", "words"),
    [([3], "TPM package, 3 units 99"), ([1], "TPM package, 1 unit 33"), ([1, 2], "TPM packages, 3 units 99")],
)
def test_the_limits_page_names_the_tpm_packages(units, words, alice_client, acme):
    limit(acme, 7, 700)
    for each in units:
        tpm_package(acme, each, begins_at=BEGIN, ends_at=END)

    shown = text(alice_client.get(reverse("customer_limits", args=["acme"])))

    assert f"{NAME} {words} 0 used" in shown
    assert "your own" not in shown


def test_the_limits_page_names_the_tokens_package_that_raises_them(alice_client, acme):
    tokens_package(acme, 100, 500_000, begins_at=BEGIN, ends_at=END)

    shown = text(alice_client.get(reverse("customer_limits", args=["acme"])))

    assert f"{NAME} Tokens package 100 0 used, 100 left 500,000" in shown


def test_staff_see_beside_refused_calls_the_packages_that_limit_them(operator_client, acme, globex):
    tpm_package(acme, 3, begins_at=BEGIN, ends_at=END)
    tokens_package(globex, 100, None, begins_at=BEGIN, ends_at=END)
    ask(acme, 9, 1)
    ask(globex, 9, 1)

    shown = text(operator_client.get(reverse("refused_calls")))

    assert "99 RPM, 30,000 TPM (TPM package, 3 units)" in shown
    assert "100 RPM, 128,000 TPM (Tokens package)" in shown
