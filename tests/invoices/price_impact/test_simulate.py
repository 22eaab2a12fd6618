"""What other prices would have meant for real usage: worked cases, and a plain model of random ones."""

import datetime as dt
import os
from decimal import Decimal
from fractions import Fraction

import pytest
from django.db import transaction
from django.template.loader import render_to_string
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Customer
from invoices.price_impact.simulate import Costs, price_effects
from invoices.price_impact.tables import effect_tables
from pricing.catalogue.offering import fact_of
from pricing.changes.apply import apply_rows, dry_run
from pricing.changes.price_commands import change_price, end_prices
from pricing.models import BillingItem, Price
from pricing.rules.kinds import Kind
from pricing.rules.precedence import price_in_force
from pricing.timeline.differences import PriceComparison, PriceInterval, differing_intervals
from pricing.timeline.view import prices_of
from tests.builders import THE_HOUR, at, close, item, price, raw_record, record, report
from tests.packages import buy, tokens_product
from usage.ingest.reversals import reverse_record
from usage.models import HOUR

pytestmark = pytest.mark.django_db

RUNS = {"soak": 1000}.get(os.environ.get("HYPOTHESIS_PROFILE", ""), 30)
SINCE, UNTIL = THE_HOUR - 24 * HOUR, THE_HOUR + 3 * HOUR
NOW = dt.datetime.now(dt.UTC)
SOON = NOW + HOUR
CHAT = ("SenseChat", "input_tokens")


def effect(*asked, at=SOON, since=SINCE, until=UNTIL):
    """The effect of no change at all: what usage cost, and would have cost at an instant's prices."""
    items = list(asked) or [item(*CHAT)]
    counting = {}
    for key, held in prices_of(items).items():
        facts = [fact_of(one) for one in held]
        for customer in {None, *(fact.customer for fact in facts)}:
            price = price_in_force(facts, customer=customer, at=at)
            counting[key, customer] = PriceComparison(price, price)
    interval = PriceInterval(at, None, counting)
    (found,) = price_effects(items=items, intervals=[interval], since=since, until=until)
    return found


def effects_of(rows):
    """The effects of a deed on each stretch, asked as an admin would."""
    items = list(
        BillingItem.objects.filter(service__name__in={row.service for row in rows}, measure="input_tokens")
    )
    before = prices_of(items)
    with dry_run(rows=rows, now=NOW):
        after = prices_of(items)
    facts = [[fact_of(one) for held in prices.values() for one in held] for prices in (before, after)]
    intervals, _ = differing_intervals(without=facts[0], changed=facts[1], most=9)
    return price_effects(items=items, intervals=intervals, since=SINCE, until=UNTIL)


def costs(cost, without, changed):
    return Costs(Decimal(cost), Decimal(without), Decimal(changed))


def do(rows):
    apply_rows(rows=rows, by="operator", reason="to test", now=NOW, confirmed=True)


def used(event_id="call-1", **fields):
    return record(report(event_id, **({"service": "SenseChat", "output_tokens": 0} | fields)))


def planned_price(unit_price, **fields):
    """The one effect of a new price for SenseChat's input tokens."""
    wanted = {"customer": None, "kind": Kind.LIST_PRICE, "unit_size": 1000, "ends_at": None} | fields
    rows = change_price(item=item(*CHAT), unit_price=Decimal(unit_price), begins_at=SOON, **wanted)
    (found,) = effects_of(rows)
    return found


def test_a_new_price_is_what_the_usage_would_have_cost(acme, globex):
    used("a", input_tokens=1000)
    used("b", input_tokens=500, customer="globex")

    found = planned_price("0.02")

    assert found.costs == costs("0.018", "0.018", "0.03")
    assert [(one.customer_code, one.costs) for one in found.customers] == [
        ("acme", costs("0.012", "0.012", "0.02")),
        ("globex", costs("0.006", "0.006", "0.01")),
    ]


def test_the_preview_leaves_no_price(acme):
    used()

    planned_price("0.02")

    assert item(*CHAT).prices.count() == 1


def test_an_offer_changes_nothing_for_a_customer_with_a_price_of_its_own(acme, globex):
    price(*CHAT, "0.001", begins_at=SINCE, customer=acme)
    used("a", input_tokens=1000)
    used("b", input_tokens=1000, customer="globex")

    found = planned_price("0.006", kind=Kind.LIMITED_TIME_OFFER)

    assert {one.customer_code: one.costs.difference for one in found.customers} == {
        "acme": 0,
        "globex": Decimal("-0.006"),
    }
    assert found.affected == 1


def test_a_price_beneath_offers_makes_a_difference_only_between_them(acme):
    price(*CHAT, "0.006", begins_at=SINCE, ends_at=SOON + HOUR, kind=Kind.LIMITED_TIME_OFFER)
    price(*CHAT, "0.003", begins_at=SOON + 2 * HOUR, kind=Kind.LIMITED_TIME_OFFER)
    used(input_tokens=1000)
    rows = change_price(item=item(*CHAT), customer=None, kind=Kind.LIST_PRICE, unit_price=Decimal(9),
                        unit_size=1000, begins_at=SOON, ends_at=None)  # fmt: skip

    (found,) = effects_of(rows)

    assert (found.interval.begins_at, found.interval.ends_at) == (SOON + HOUR, SOON + 2 * HOUR)
    assert found.costs == costs("0.006", "0.012", "9")


def test_the_difference_is_to_what_is_scheduled_anyway_not_to_what_it_cost(acme):
    """A raise to 0.02 is scheduled; 0.015 instead is less than that, though more than what it cost."""
    used(input_tokens=1000)
    do(change_price(item=item(*CHAT), customer=None, kind=Kind.LIST_PRICE, unit_price=Decimal("0.02"),
                    unit_size=1000, begins_at=SOON, ends_at=None))  # fmt: skip

    found = planned_price("0.015")

    assert (found.costs, found.costs.difference) == (costs("0.012", "0.02", "0.015"), Decimal("-0.005"))


def test_one_customers_price_is_told_by_that_customers_prices(acme):
    price(*CHAT, "0.001", begins_at=SINCE, customer=acme)
    used(input_tokens=1000)

    found = planned_price("0.002", customer=acme)

    assert (found.customer, found.own_price_customers) == (acme, 1)
    assert [(one.without.unit_price, one.changed.unit_price) for one in found.items] == [
        (Decimal("0.001"), Decimal("0.002"))
    ]


def test_the_end_of_a_trial_is_charged_at_the_price_that_follows(acme):
    used(service="SenseChat-Vision", input_tokens=2000)
    tokens = item("SenseChat-Vision", "input_tokens")
    trial = tokens.prices.get()
    rows = end_prices(prices=[trial], ends_at=SOON, successors={trial.pk: Decimal("0.01")})

    (found,) = effects_of(rows)

    assert found.costs == costs("0", "0", "0.02")


def test_a_unit_size_counts(acme):
    used(input_tokens=7)

    assert planned_price("13", unit_size=1_000_000).costs.changed == Decimal("0.000091")


def test_each_record_cost_what_was_in_force_at_its_own_instant(acme):
    price(*CHAT, "0.1", begins_at=at(10), ends_at=at(20), kind=Kind.LIMITED_TIME_OFFER)
    for minute in (9, 10, 19, 20):
        used(f"at-{minute}", occurred_at=at(minute), input_tokens=1000)

    found = effect()

    assert (found.costs.cost, found.costs.without) == (Decimal("0.224"), Decimal("0.048"))


def test_a_late_record_and_one_that_is_taken_back_count_by_their_own_time(acme):
    used("a", input_tokens=1000)
    close()
    used("late", input_tokens=500)
    raw_record(
        "r", service=item(*CHAT).service, input_tokens=-1000, reverses="a", billing_hour=THE_HOUR + HOUR
    )

    found = effect(until=THE_HOUR + HOUR)

    assert (found.items[0].quantity, found.costs.cost) == (500, Decimal("0.006"))


def test_the_period_is_half_open(acme):
    for number, instant in enumerate((SINCE, UNTIL)):
        raw_record(f"r{number}", service=item(*CHAT).service, occurred_at=instant, input_tokens=1000,
                   billing_hour=instant.replace(minute=0))  # fmt: skip

    assert effect().items[0].quantity == 1000
    assert effect(since=SINCE + dt.timedelta(microseconds=1)).items[0].quantity == 0


def test_other_services_and_items_do_not_count(acme):
    used("a", output_tokens=1000, input_tokens=1000)
    used("b", service="SenseChat-32K")

    found = effect()

    assert (found.items[0].quantity, found.costs.cost) == (1000, Decimal("0.012"))


def test_nothing_used_costs_nothing():
    found = effect()

    assert (found.costs, found.customers, found.items[0].quantity) == (Costs(), [], 0)


def test_each_item_tells_its_price_without_the_change_and_with_it(acme):
    tables = effect_tables(planned_price("0.02"))

    assert tables["items"]["rows"][0][1:3] == ["0.012 RMB/thousand tokens", "0.02 RMB/thousand tokens"]


def test_the_page_shows_old_and_new_side_by_side(acme):
    used(input_tokens=1000)

    tables = effect_tables(planned_price("0.02"))

    assert (tables["cost"], tables["changed"], tables["difference"], tables["share"]) == (
        "0.012",
        "0.02",
        "+0.008",
        "+66.7 %",
    )
    assert tables["by_customer"]["rows"] == [
        ["acme", "Acme Ltd", "1,000", "0.012", "0.012", "0.02", "+0.008"]
    ]
    page = render_to_string("admin/price_effect.html", {"effect": tables})
    assert "0.02 RMB/thousand tokens" in page


def test_the_page_says_that_nothing_was_used():
    page = render_to_string("admin/price_effect.html", {"effect": effect_tables(effect())})

    assert "Nothing of this billing item was charged" in page


# --- Usage that packages cover ---------------------------------------------------------------------


def test_what_a_package_covers_is_no_effect_at_any_price(acme, globex):
    buy(acme, tokens_product(services=["SenseChat"]), now=at(1))
    for customer in (acme, globex):
        used(customer.code, customer=customer.code, input_tokens=1000)
    close()

    found = planned_price("0.02")

    assert found.costs == costs("0.012", "0.012", "0.02")
    assert [one.customer_code for one in found.customers] == ["globex"]


def test_where_a_package_ran_out_the_rest_counts_at_the_prices_of_its_time(acme):
    price(*CHAT, "0.001", begins_at=SINCE, customer=acme)
    buy(acme, tokens_product(tokens=600, services=["SenseChat"]), now=at(1))
    used("a", input_tokens=500)
    used("b", input_tokens=500, occurred_at=at(20))
    close()

    found = planned_price("0.02", customer=acme)

    assert found.items[0].quantity == 400
    assert found.costs == costs("0.0004", "0.0004", "0.008")


def test_what_a_reversed_call_took_from_a_package_is_no_effect_either(acme):
    buy(acme, tokens_product(services=["SenseChat"]), now=at(1))
    used("a", input_tokens=1000)
    close()
    reverse_record(customer=acme, event_id="a", reason="Counted twice.", now=at(70), by="operator")
    used("later", input_tokens=1000, occurred_at=at(62))
    close(hour=1)

    assert planned_price("0.02").costs == costs(0, 0, 0)


def test_usage_of_an_hour_that_is_not_billed_yet_counts(acme):
    buy(acme, tokens_product(services=["SenseChat"]), now=at(1))
    used(input_tokens=1000)

    assert planned_price("0.02").costs == costs("0.012", "0.012", "0.02")


# --- Random prices and usage against a plain loop ---------------------------------------------------------

PLACES = st.integers(-30, 30)  # in units of two hours around THE_HOUR
prices = st.lists(
    st.tuples(
        st.sampled_from(["input_tokens", "output_tokens"]),
        st.sampled_from([None, "acme", "globex"]),
        st.sampled_from(list(Kind)),
        PLACES,
        st.one_of(st.none(), PLACES),
        st.sampled_from(["0.01", "0.5", "3", "0.00000007"]),
        st.sampled_from([1, 1000, 1_000_000]),
    ),
    max_size=8,
)
usages = st.lists(
    st.tuples(
        st.sampled_from(["acme", "globex"]),
        st.integers(-3600, 3600),
        st.integers(0, 5000),
        st.integers(0, 50),
    ),
    max_size=12,
)


@settings(max_examples=RUNS, deadline=None, suppress_health_check=list(HealthCheck))
@given(prices=prices, usages=usages, at_place=PLACES, since_place=st.integers(-30, 0))
def test_the_effect_is_what_a_plain_loop_finds(acme, globex, prices, usages, at_place, since_place):
    with transaction.atomic():
        items = [item("SenseChat", measure) for measure in ("input_tokens", "output_tokens")]
        _put(prices)
        _use(usages, items[0].service)
        span = {"since": instant(since_place * 120), "until": instant(3600)}

        found = effect(*items, at=instant(at_place * 120), **span)

        assert {one.customer_code: (one.costs.cost, one.costs.changed) for one in found.customers} == _plain(
            items, usages, span | {"at": instant(at_place * 120)}
        )
        transaction.set_rollback(True)


def instant(minutes):
    return THE_HOUR + dt.timedelta(minutes=minutes)


def _put(prices):
    """Prices that do not overlap with one of their kind that is there already."""
    for measure, customer, kind, begins, ends, unit_price, unit_size in prices:
        made = Price(
            billing_item=item("SenseChat", measure),
            customer=Customer.objects.get(code=customer) if customer else None,
            kind=kind,
            unit_price=0 if kind == Kind.FREE_TRIAL else Decimal(unit_price),
            unit_size=unit_size,
            begins_at=instant(begins * 120),
            ends_at=instant(ends * 120) if ends is not None and ends > begins else None,
        )
        if not Price.objects.overlapping(made).exists():
            made.save()


def _use(usages, service):
    for number, (customer, minute, tokens_in, tokens_out) in enumerate(usages):
        raw_record(
            f"r{number}",
            customer=Customer.objects.get(code=customer),
            service=service,
            occurred_at=instant(minute),
            billing_hour=instant(minute).replace(minute=0),
            input_tokens=tokens_in,
            output_tokens=tokens_out,
        )


def _plain(items, usages, span):
    costs: dict[str, tuple[Fraction, Fraction]] = {}
    for customer, minute, *tokens in usages:
        if not span["since"] <= instant(minute) < span["until"]:
            continue
        for one, quantity in zip(items, tokens, strict=True):
            if quantity:
                old, new = costs.get(customer, (Fraction(0), Fraction(0)))
                rates = [_rate(one, customer, when) for when in (instant(minute), span["at"])]
                costs[customer] = (old + quantity * rates[0], new + quantity * rates[1])
    return costs


def _rate(of: BillingItem, customer, when):
    def rank(one):
        kinds = ["free_trial", "limited_time_offer", "list_price"]
        return (one.customer_id is None, kinds.index(one.kind))

    counting = [
        one
        for one in of.prices.select_related("customer")
        if (one.customer is None or one.customer.code == customer)
        and one.begins_at <= when
        and (one.ends_at is None or when < one.ends_at)
    ]
    first = min(counting, key=rank, default=None)
    return Fraction(first.unit_price) / first.unit_size if first else Fraction(0)
