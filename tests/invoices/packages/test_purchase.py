"""What a purchase would be, what becomes of it, and what is refused."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from invoices.models import PackagePurchase
from invoices.packages.purchase import PlanChanged, PurchaseRefused, buy_package, plan_purchase
from invoices.packages.status import planned_methods
from pricing.models import MethodPeriod, QuotaPackage
from pricing.rules.methods import MOST_UNITS, BillingMethod
from pricing.rules.validity import MOST_DAYS, MOST_MONTHS
from tests.builders import at, close, record, report
from tests.packages import buy, tokens_product, tpm_product

pytestmark = pytest.mark.django_db

TOKENS, TPM = BillingMethod.TOKENS_PACKAGE, BillingMethod.TPM_PACKAGE
DAY = 24


def refusal(customer, terms, *, now=None, **choice):
    """The field of a refusal."""
    with pytest.raises(PurchaseRefused) as refused:
        plan_purchase(customer=customer, terms=terms, now=now or at(30), **choice)
    return refused.value.field


# --- When it begins, and what it costs -------------------------------------------------------------


def test_a_tokens_package_counts_from_the_hour_in_which_it_is_bought(acme):
    plan = plan_purchase(customer=acme, terms=tokens_product(validity=2), now=at(59))

    assert (plan.begins_at, plan.expires_at) == (at(0), at(0, hour=2 * DAY))
    assert (plan.method, plan.quantity, plan.amount, plan.waits_for) == (TOKENS, 1, Decimal(30), None)


def test_a_tpm_package_counts_from_the_next_full_hour(acme):
    plan = plan_purchase(customer=acme, terms=tpm_product(), units=2, periods=3, now=at(0))

    assert (plan.begins_at, plan.expires_at) == (at(60), at(60, hour=3 * DAY))
    assert (plan.method, plan.quantity, plan.amount) == (TPM, 6, Decimal(600))
    assert (plan.rpm, plan.tpm) == (66, 20_000)


def test_the_offer_price_counts_and_the_limits_are_those_of_the_terms(acme):
    terms = tokens_product(offer_price=Decimal("24.5"), rpm=7, tpm=800)

    plan = plan_purchase(customer=acme, terms=terms, now=at(1))

    assert (plan.amount, plan.rpm, plan.tpm) == (Decimal("24.5"), 7, 800)


def ending(plan):
    """The methods that end until a package of one service begins, each with its end."""
    (planned,) = planned_methods(plan, now=at(2))
    return [(span.method, span.ends_at) for span in planned.ending]


def test_a_package_waits_for_the_end_of_the_other_method(acme):
    buy(acme, tokens_product(validity=2), now=at(1))

    plan = plan_purchase(customer=acme, terms=tpm_product(), units=1, now=at(2))

    assert (plan.begins_at, plan.waits_for) == (at(0, hour=2 * DAY), TOKENS)
    assert ending(plan) == [(TOKENS, at(0, hour=2 * DAY))]


def test_the_present_method_ends_with_the_last_of_its_packages(acme):
    buy(acme, tokens_product("short", validity=1), now=at(1))
    buy(acme, tokens_product("long", validity=2), now=at(1))

    plan = plan_purchase(customer=acme, terms=tpm_product(), units=1, now=at(2))

    assert ending(plan) == [(TOKENS, at(0, hour=2 * DAY))]


def test_a_package_waits_for_the_other_method_that_is_scheduled(acme):
    buy(acme, tpm_product(), units=1, periods=3, now=at(1))

    plan = plan_purchase(customer=acme, terms=tokens_product(), now=at(2))

    # The TPM package begins only in the next hour; now it is Tokens Postpaid.
    assert (plan.begins_at, plan.waits_for) == (at(60, hour=3 * DAY), TPM)
    assert ending(plan) == [(BillingMethod.TOKENS_POSTPAID, at(60)), (TPM, at(60, hour=3 * DAY))]


def test_a_package_of_several_services_waits_for_the_last_of_the_other_method(acme, globex):
    buy(acme, tpm_product("short"), units=1, periods=2, now=at(1))
    buy(acme, tpm_product("long", service="SenseChat"), units=1, periods=5, now=at(1))
    buy(globex, tpm_product("another's", service="SenseChat"), units=1, periods=9, now=at(1))
    both = tokens_product("both", services=["SenseChat", "SenseChat-5"])

    plan = plan_purchase(customer=acme, terms=both, now=at(2))

    assert plan.begins_at == at(60, hour=5 * DAY)


def test_packages_of_one_method_wait_for_none(acme):
    buy(acme, tpm_product(), units=1, periods=2, now=at(1))
    buy(acme, tokens_product("other service", services=["SenseChat"]), now=at(1))

    plan = plan_purchase(customer=acme, terms=tpm_product("more"), units=1, now=at(2))

    assert (plan.begins_at, plan.waits_for) == (at(60), None)
    # It begins with the one that was bought before.
    assert ending(plan) == [(BillingMethod.TOKENS_POSTPAID, at(60))]


def test_the_method_of_another_that_has_ended_is_not_waited_for(acme):
    buy(acme, tokens_product(validity=1), now=at(1))

    plan = plan_purchase(customer=acme, terms=tpm_product(), units=1, now=at(-1, hour=DAY))

    assert (plan.begins_at, plan.waits_for) == (at(0, hour=DAY), None)


# --- What is refused -------------------------------------------------------------------------------


def test_a_suspended_customer_buys_nothing(acme):
    acme.is_suspended = True

    with pytest.raises(PurchaseRefused, match="suspended"):
        plan_purchase(customer=acme, terms=tokens_product(), now=at(1))


def test_terms_are_on_sale_from_their_begin_until_their_end(acme):
    terms = tokens_product(begins_at=at(10), ends_at=at(20))

    assert refusal(acme, terms, now=at(9)) == "product"
    assert refusal(acme, terms, now=at(20)) == "product"
    for minute in (10, 19):
        assert plan_purchase(customer=acme, terms=terms, now=at(minute)).amount == 30


@pytest.mark.parametrize("units", [None, 0, MOST_UNITS + 1])
def test_a_tpm_package_is_of_one_to_so_many_units(acme, units):
    terms = tpm_product()

    assert refusal(acme, terms, units=units) == "units"
    assert plan_purchase(customer=acme, terms=terms, units=1, now=at(1)).quantity == 1
    assert plan_purchase(customer=acme, terms=terms, units=MOST_UNITS, now=at(1)).quantity == MOST_UNITS


@pytest.mark.parametrize(("unit", "most"), [("day", MOST_DAYS), ("month", MOST_MONTHS)])
def test_a_tpm_package_is_for_one_to_so_many_days_or_months(acme, unit, most):
    terms = tpm_product(validity_unit=unit)

    assert refusal(acme, terms, units=1, periods=0) == "periods"
    assert refusal(acme, terms, units=1, periods=most + 1) == "periods"
    assert plan_purchase(customer=acme, terms=terms, units=1, periods=most, now=at(1)).quantity == most


@pytest.mark.parametrize("choice", [{"units": 1}, {"periods": 2}])
def test_a_tokens_package_is_bought_as_it_is(acme, choice):
    assert refusal(acme, tokens_product(), **choice) == "units"


def test_a_product_that_covers_no_service_is_not_sold(acme):
    with pytest.raises(PurchaseRefused, match="covers no service"):
        plan_purchase(customer=acme, terms=tokens_product(services=[]), now=at(1))


# --- The purchase ----------------------------------------------------------------------------------


def order(customer, terms, **fields):
    given: dict[str, Any] = {"order_id": uuid4(), "by": "alice@acme.example", "now": at(30)}
    return buy_package(customer=customer, terms=terms, **(given | fields))


def test_the_document_and_the_package_are_copies(acme):
    weights = [("SenseChat-5", "output_tokens", "2.5")]
    services = ["SenseChat", "SenseChat-5"]
    sold: dict[str, Any] = {"weights": weights, "services": services, "offer_price": 25, "rpm": 5, "tpm": 600}

    bought = order(acme, tokens_product("Many", 500, **sold))

    document = (bought.customer_code, bought.customer_name, bought.list_price, bought.price, bought.quantity)
    assert document == ("acme", "Acme Ltd", 30, 25, 1)
    assert (bought.amount, bought.bought_at, bought.bought_by) == (25, at(30), "alice@acme.example")
    assert sorted(bought.services.split(", ")) == services
    package = bought.package
    assert (package.product_name, package.tokens, package.units) == ("Many", 500, None)
    assert (package.rpm, package.tpm, package.bought_at) == (5, 600, at(30))
    assert [(one.billing_item.measure, one.weight) for one in package.weights.all()] == [
        ("output_tokens", Decimal("2.5"))
    ]
    periods = {(one.service.name, one.customer, one.method) for one in package.periods.all()}
    assert periods == {(name, acme, TOKENS) for name in services}
    assert {(one.begins_at, one.ends_at) for one in package.periods.all()} == {
        (package.begins_at, package.expires_at)
    }


def test_numbers_have_the_day_and_count_a_customers_packages(acme, globex):
    terms = tokens_product()

    numbers = [order(who, terms).package.number for who in (acme, acme, globex)]

    day = f"P{at(30):%Y%m%d}"
    assert numbers == [f"{day}-acme-1", f"{day}-acme-2", f"{day}-globex-1"]


def test_the_same_order_again_is_one_purchase(acme):
    terms, order_id = tokens_product(), uuid4()

    first = order(acme, terms, order_id=order_id)
    again = order(acme, terms, order_id=order_id, now=at(90))

    assert again == first
    assert (PackagePurchase.objects.count(), QuotaPackage.objects.count()) == (1, 1)
    assert MethodPeriod.objects.count() == 1


def test_an_order_id_is_not_used_for_another_purchase(acme, globex):
    terms, order_id = tokens_product(), uuid4()
    order(acme, terms, order_id=order_id)

    for customer, other in ((globex, terms), (acme, tokens_product("other"))):
        with pytest.raises(PurchaseRefused) as refused:
            order(customer, other, order_id=order_id)
        assert refused.value.field == "order_id"


def test_what_would_begin_at_another_hour_than_was_shown_is_not_bought(acme):
    terms = tokens_product()

    with pytest.raises(PlanChanged):
        order(acme, terms, begins_at=at(0), now=at(60))

    assert not QuotaPackage.objects.exists()
    assert order(acme, terms, begins_at=at(60), now=at(60)).package.begins_at == at(60)


def test_a_package_never_covers_an_hour_that_is_closed(acme):
    terms = tokens_product()
    record(report())
    close()

    assert order(acme, terms, now=at(59)).package.begins_at == at(60)
