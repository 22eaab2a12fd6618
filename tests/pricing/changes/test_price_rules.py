"""The rules that the database keeps, whoever writes to it."""

import datetime as dt
from decimal import Decimal

import pytest
from django.contrib.postgres.functions import TransactionNow
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import F

from pricing.models import BillingItem, CallSpecification, Price, Service
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from tests.builders import commit, item, price

pytestmark = pytest.mark.django_db

IN = ("SenseChat", Measure.INPUT_TOKENS)
A_DAY = dt.timedelta(days=1)
NOW = dt.datetime.now(dt.UTC)
SOON = NOW + A_DAY
LATER = SOON + A_DAY


def list_price():
    """The catalogue's price of the item; it has begun and has no end."""
    return Price.objects.filter(pk=item(*IN).prices.get(customer=None, kind=Kind.LIST_PRICE, ends_at=None).pk)


# --- Periods ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(Kind))
def test_prices_of_one_kind_do_not_overlap(kind, acme):
    price(*IN, "0", begins_at=SOON, ends_at=LATER, kind=kind, customer=acme)

    with pytest.raises(IntegrityError, match=f"{kind}_periods_of_an_item_do_not_overlap"):
        price(*IN, "0", begins_at=LATER - dt.timedelta(microseconds=1), kind=kind, customer=acme)


def test_list_prices_for_everybody_do_not_overlap():
    assert list_price().get().ends_at is None

    with pytest.raises(IntegrityError, match="list_price_periods_of_an_item_do_not_overlap"):
        price(*IN, "0.01", begins_at=SOON, ends_at=LATER)


def test_the_form_says_which_prices_overlap(acme):
    twin = Price(billing_item=item(*IN), unit_price=Decimal("0.01"), begins_at=SOON)

    with pytest.raises(ValidationError, match="Another list price of this item is in force in that period."):
        twin.full_clean()


def test_a_price_may_begin_at_the_instant_at_which_another_ends():
    list_price().update(ends_at=SOON)

    successor = price(*IN, "0.01", begins_at=SOON)
    commit()

    assert [*Price.objects.filter(billing_item=item(*IN)).in_force(at=SOON)] == [successor]


def test_prices_of_every_kind_may_be_in_force_at_once():
    price(*IN, "0.01", begins_at=SOON, kind=Kind.LIMITED_TIME_OFFER)
    price(*IN, "0", begins_at=SOON, kind=Kind.FREE_TRIAL)

    found = Price.objects.filter(billing_item=item(*IN)).in_force(at=SOON)

    assert {one.kind for one in found} == set(Kind)


def test_customers_may_have_their_own_prices_in_one_period(acme, globex):
    price(*IN, "0.01", begins_at=SOON, customer=acme)
    price(*IN, "0.02", begins_at=SOON, customer=globex)

    found = Price.objects.filter(billing_item=item(*IN)).in_force(at=SOON)

    assert {one.customer for one in found} == {None, acme, globex}


def test_other_items_may_have_prices_in_one_period():
    price("SenseChat", Measure.INPUT_TOKENS, "0.01", begins_at=SOON, kind=Kind.LIMITED_TIME_OFFER)

    other = price("SenseChat", Measure.OUTPUT_TOKENS, "0.01", begins_at=SOON, kind=Kind.LIMITED_TIME_OFFER)

    assert other.pk


@pytest.mark.parametrize("ends_at", [SOON, SOON - A_DAY / 2])
def test_a_price_ends_after_it_begins(ends_at, acme):
    # The range type itself refuses an end before the beginning.
    refused = "a_price_ends_after_it_begins|range lower bound must be less than or equal to range upper bound"

    with pytest.raises((IntegrityError, DataError), match=refused):
        price(*IN, "0.01", begins_at=SOON, ends_at=ends_at, customer=acme)


# --- A price that has begun ------------------------------------------------------------------------

EDITS = {
    "unit price": {"unit_price": Decimal("0.011")},
    "unit size": {"unit_size": 10_000},
    "kind": {"kind": Kind.LIMITED_TIME_OFFER},
    "beginning": {"begins_at": F("begins_at") + A_DAY},
    "beginning, into the future": {"begins_at": SOON},
    "item": {"billing_item_id": 1_000_000},
    "unit price with its end": {"unit_price": Decimal("0.011"), "ends_at": SOON},
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a_price_that_has_begun_is_not_edited(edit):
    begun = list_price()

    with pytest.raises(IntegrityError, match="only its end can still be moved"):
        begun.update(**edit)


def test_a_price_that_has_begun_is_not_given_to_one_customer(acme):
    begun = list_price()

    with pytest.raises(IntegrityError, match="only its end can still be moved"):
        begun.update(customer=acme)


def test_a_price_has_begun_at_its_first_instant(acme):
    price(*IN, "0.01", begins_at=SOON, customer=acme)
    acme.prices.update(begins_at=TransactionNow())

    with pytest.raises(IntegrityError, match="only its end can still be moved"):
        acme.prices.update(unit_price=Decimal("0.011"))


def test_a_price_that_has_begun_is_not_deleted():
    begun = list_price().get()

    with pytest.raises(IntegrityError, match="only its end can still be moved"):
        begun.delete()


def test_the_end_of_a_price_that_has_begun_may_be_moved_into_the_future():
    begun = price(*IN, "0.01", begins_at=NOW - A_DAY, ends_at=SOON, kind=Kind.LIMITED_TIME_OFFER)

    for ends_at in (LATER, None, SOON):
        Price.objects.filter(pk=begun.pk).update(ends_at=ends_at)

    assert Price.objects.get(pk=begun.pk).ends_at == SOON


@pytest.mark.parametrize("past", [NOW - dt.timedelta(seconds=1), NOW - A_DAY / 2])
def test_the_end_of_a_price_that_has_begun_is_not_moved_into_the_past(past, acme):
    begun = price(*IN, "0.01", begins_at=NOW - A_DAY, customer=acme)

    with pytest.raises(IntegrityError, match="from the future into the future"):
        Price.objects.filter(pk=begun.pk).update(ends_at=past)


@pytest.mark.parametrize("ends_at", [SOON, None])
def test_a_price_that_has_ended_is_not_made_to_go_on(ends_at, acme):
    ended = price(*IN, "0.01", begins_at=NOW - 2 * A_DAY, ends_at=NOW - A_DAY, customer=acme)

    with pytest.raises(IntegrityError, match="from the future into the future"):
        Price.objects.filter(pk=ended.pk).update(ends_at=ends_at)


def test_a_price_that_has_not_begun_may_be_edited(acme):
    coming = price(*IN, "0.01", begins_at=SOON, customer=acme)

    Price.objects.filter(pk=coming.pk).update(unit_price=Decimal("0.02"), unit_size=10_000, begins_at=LATER)

    assert Price.objects.filter(pk=coming.pk, unit_price=Decimal("0.02"), begins_at=LATER).exists()


def test_a_price_that_has_not_begun_may_be_deleted(acme):
    coming = price(*IN, "0.01", begins_at=SOON, customer=acme)

    coming.delete()

    assert not Price.objects.filter(customer=acme).exists()


# --- No gap ----------------------------------------------------------------------------------------


def test_an_item_is_not_left_without_a_price():
    list_price().update(ends_at=SOON)

    with pytest.raises(IntegrityError, match="would be without a price for everybody"):
        commit()


@pytest.mark.parametrize("measure", [Measure.INPUT_TOKENS, Measure.OUTPUT_TOKENS])
def test_the_item_that_would_be_without_a_price_is_named(measure):
    item("SenseChat", measure).prices.update(ends_at=SOON)
    named = f"SenseChat: {measure.label.lower()} would be without a price for everybody from {SOON:%Y-%m-%d}"

    with pytest.raises(IntegrityError, match=named):
        commit()


def test_a_successor_does_not_leave_a_gap():
    list_price().update(ends_at=SOON)
    price(*IN, "0.01", begins_at=SOON + dt.timedelta(microseconds=1))

    with pytest.raises(IntegrityError, match="would be without a price for everybody"):
        commit()


def test_a_successor_may_be_entered_after_the_end_of_its_predecessor():
    list_price().update(ends_at=SOON)
    price(*IN, "0.01", begins_at=SOON)

    commit()

    assert item(*IN).prices.count() == 2


def test_a_successor_with_an_end_needs_a_successor_of_its_own():
    list_price().update(ends_at=SOON)
    price(*IN, "0.01", begins_at=SOON, ends_at=LATER)

    with pytest.raises(IntegrityError, match="would be without a price for everybody"):
        commit()


def test_a_successor_is_not_deleted_from_under_its_predecessor():
    list_price().update(ends_at=SOON)
    successor = price(*IN, "0.01", begins_at=SOON)
    commit()

    successor.delete()

    with pytest.raises(IntegrityError, match="would be without a price for everybody"):
        commit()


def test_a_successor_is_not_moved_away_from_its_predecessor():
    list_price().update(ends_at=SOON)
    successor = price(*IN, "0.01", begins_at=SOON)
    commit()

    Price.objects.filter(pk=successor.pk).update(begins_at=LATER)

    with pytest.raises(IntegrityError, match="would be without a price for everybody"):
        commit()


def test_a_successor_is_not_taken_away_to_another_item():
    list_price().update(ends_at=SOON)
    successor = price(*IN, "0.01", begins_at=SOON)
    commit()

    elsewhere = item("nova-tts-1", Measure.INPUT_CHARACTERS)

    with pytest.raises(IntegrityError, match="stays with its billing item"):
        Price.objects.filter(pk=successor.pk).update(billing_item=elsewhere)


def test_an_offer_over_the_list_price_may_end_by_itself():
    price(*IN, "0.01", begins_at=SOON, ends_at=LATER, kind=Kind.LIMITED_TIME_OFFER)

    commit()

    assert item(*IN).prices.count() == 2


def test_an_own_price_is_not_a_price_for_everybody(acme):
    list_price().update(ends_at=SOON)
    price(*IN, "0.01", begins_at=SOON, customer=acme)

    with pytest.raises(IntegrityError, match="would be without a price for everybody"):
        commit()


def test_an_own_price_may_end_by_itself(acme):
    price(*IN, "0.01", begins_at=SOON, ends_at=LATER, customer=acme)

    commit()

    assert acme.prices.count() == 1


def test_a_billing_item_is_not_put_on_sale_without_a_price():
    service = Service.objects.get(name="nova-embedding-stable")
    BillingItem.objects.create(service=service, measure=Measure.OUTPUT_TOKENS)

    with pytest.raises(IntegrityError, match="would be without a price for everybody"):
        commit()


def test_a_price_before_the_first_leaves_no_gap():
    price(*IN, "0.01", begins_at=NOW - 10_000 * A_DAY, ends_at=NOW - 9_999 * A_DAY)

    with pytest.raises(IntegrityError, match="would be without a price for everybody"):
        commit()


# --- What a price can be ---------------------------------------------------------------------------


def insert_own_price(customer, unit_price):
    """Write to the database directly, as no form stands there; a cast as psql would make it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO pricing_price (billing_item_id, customer_id, kind, unit_price, unit_size, begins_at)"
            " VALUES (%s, %s, 'list_price', %s::text::numeric, 1000, now())",
            [item(*IN).pk, customer.pk, unit_price],
        )


@pytest.mark.parametrize("number", ["NaN", "-0.00000001", "-1", "1000000", "999999.999999995"])
def test_a_unit_price_is_a_number_from_0_to_a_million(number, acme):
    refused = "a_unit_price_is_between_0_and_a_million|numeric field overflow"

    with pytest.raises((IntegrityError, DataError), match=refused):
        insert_own_price(acme, number)


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "1e14"])
def test_a_unit_price_is_finite(number, acme):
    refused = "numeric field overflow"

    with pytest.raises(DataError, match=refused):
        insert_own_price(acme, number)


@pytest.mark.parametrize("number", ["0", "0.00000001", "999999.99999999"])
def test_the_smallest_and_the_largest_unit_price_are_kept_to_the_digit(number, acme):
    insert_own_price(acme, number)

    assert acme.prices.get().unit_price == Decimal(number)


def test_the_form_refuses_a_ninth_decimal():
    coming = Price(billing_item=item(*IN), unit_price=Decimal("0.123456789"), begins_at=SOON)

    with pytest.raises(ValidationError, match="8 decimal places"):
        coming.full_clean()


@pytest.mark.parametrize("size", [0, 7, 100, 999, 1024, 10_000_000])
def test_a_unit_size_is_one_of_a_few_powers_of_ten(size, acme):
    assert not acme.prices.exists()

    with pytest.raises(IntegrityError, match="a_unit_size_is_a_power_of_ten"):
        price(*IN, "0.01", begins_at=SOON, unit_size=size, customer=acme)


def test_a_price_is_of_a_known_kind(acme):
    assert "discount" not in list(Kind)

    with pytest.raises(IntegrityError, match="a_price_is_of_a_known_kind"):
        price(*IN, "0.01", begins_at=SOON, kind="discount", customer=acme)


def test_a_free_trial_costs_nothing():
    trial = Kind.FREE_TRIAL

    with pytest.raises(IntegrityError, match="a_free_trial_costs_nothing"):
        price(*IN, "0.00000001", begins_at=SOON, kind=trial)


WORDED = [
    ("0.04", 1000, Kind.LIST_PRICE, "0.04 RMB/thousand tokens"),
    ("0.04", 1000, Kind.LIMITED_TIME_OFFER, "0.04 RMB/thousand tokens (limited-time offer)"),
    ("0", 1000, Kind.FREE_TRIAL, "Free trial for a limited time"),
    ("0", 1000, Kind.LIST_PRICE, "0 RMB/thousand tokens"),
    ("100", 1_000_000, Kind.LIST_PRICE, "100 RMB/million tokens"),
    ("0.00000001", 1, Kind.LIST_PRICE, "0.00000001 RMB/token"),
    ("8", 10_000, Kind.LIST_PRICE, "8 RMB/ten thousand tokens"),
]


@pytest.mark.parametrize(("unit_price", "unit_size", "kind", "text"), WORDED, ids=[row[-1] for row in WORDED])
def test_a_price_is_worded_as_on_the_price_page(unit_price, unit_size, kind, text, acme):
    made = price(*IN, unit_price, begins_at=SOON, unit_size=unit_size, kind=kind, customer=acme)

    read = Price.objects.get(pk=made.pk)

    assert read.text == text
    assert str(read) == f"SenseChat: Input tokens: {text}, for acme, from {SOON:%Y-%m-%d %H:%M}"


# --- Precedence ------------------------------------------------------------------------------------


def test_a_price_is_in_force_from_its_first_instant_until_before_its_end(acme):
    own = price(*IN, "0.01", begins_at=SOON, ends_at=LATER, customer=acme)
    microsecond = dt.timedelta(microseconds=1)

    instants = [SOON - microsecond, SOON, LATER - microsecond, LATER]

    assert [own in Price.objects.in_force(at=instant) for instant in instants] == [False, True, True, False]


def test_own_prices_come_before_everybodys_and_then_the_kind_counts(acme):
    ranked = [
        price(*IN, "0", begins_at=SOON, kind=Kind.FREE_TRIAL, customer=acme),
        price(*IN, "0.01", begins_at=SOON, kind=Kind.LIMITED_TIME_OFFER, customer=acme),
        price(*IN, "0.02", begins_at=SOON, customer=acme),
        price(*IN, "0", begins_at=SOON, kind=Kind.FREE_TRIAL),
        price(*IN, "0.03", begins_at=SOON, kind=Kind.LIMITED_TIME_OFFER),
        list_price().get(),
    ]

    found = Price.objects.filter(billing_item=item(*IN)).in_force(at=SOON).by_precedence()

    assert [*found] == ranked


# --- Call specifications ---------------------------------------------------------------------------


def specification(**fields):
    """A call specification of SenseChat, from soon on."""
    limits = {"rpm": 60, "tpm": 128_000, "begins_at": SOON} | fields
    return CallSpecification.objects.create(service=Service.objects.get(name="SenseChat"), **limits)


def test_call_specifications_of_a_service_do_not_overlap():
    assert CallSpecification.objects.in_force(at=SOON).filter(service__name="SenseChat").exists()

    with pytest.raises(IntegrityError, match="call_specifications_of_a_service_do_not_overlap"):
        specification()


def test_a_customer_has_one_call_specification_at_a_time(acme, globex):
    specification(customer=acme, ends_at=LATER)
    specification(customer=acme, begins_at=LATER)
    specification(customer=globex)

    with pytest.raises(IntegrityError, match="call_specifications_of_a_service_do_not_overlap"):
        specification(customer=acme, begins_at=LATER - dt.timedelta(seconds=1), ends_at=LATER)


@pytest.mark.parametrize(
    "edit", [{"rpm": 61}, {"tpm": None}, {"begins_at": SOON}, {"ends_at": NOW}], ids=list
)
def test_a_call_specification_that_has_begun_only_moves_its_end(edit):
    begun = CallSpecification.objects.filter(service__name="SenseChat")
    begun.update(ends_at=LATER)

    with pytest.raises(IntegrityError, match="has begun"), transaction.atomic():
        begun.update(**edit)

    begun.update(ends_at=None)


def test_a_call_specification_has_begun_at_its_first_instant(acme):
    specification(customer=acme, begins_at=TransactionNow())

    with pytest.raises(IntegrityError, match="only its end can still be moved"):
        CallSpecification.objects.filter(customer=acme).update(rpm=61)


def test_a_call_specification_ends_at_once_but_not_before():
    begun = CallSpecification.objects.filter(service__name="SenseChat")
    a_tick = dt.timedelta(microseconds=1)

    with pytest.raises(IntegrityError, match="not into the past"), transaction.atomic():
        begun.update(ends_at=TransactionNow() - a_tick)

    begun.update(ends_at=TransactionNow())


def test_a_call_specification_that_has_ended_does_not_go_on(acme):
    specification(customer=acme, begins_at=NOW - 2 * A_DAY, ends_at=NOW - A_DAY)

    with pytest.raises(IntegrityError, match="from the future, and not into the past"):
        CallSpecification.objects.filter(customer=acme).update(ends_at=LATER)


def test_only_a_call_specification_that_has_not_begun_is_deleted(acme):
    specification(customer=acme).delete()

    with pytest.raises(IntegrityError, match="only its end can still be moved"):
        CallSpecification.objects.filter(service__name="SenseChat").delete()


@pytest.mark.parametrize(
    ("limit", "rule"), [("rpm", "an_rpm_is_at_least_one"), ("tpm", "a_tpm_is_at_least_one")]
)
def test_a_limit_is_at_least_one(limit, rule, acme):
    none_at_all = {limit: 0}

    with pytest.raises(IntegrityError, match=rule):
        specification(customer=acme, **none_at_all)
