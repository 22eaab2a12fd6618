"""Which price counts: the worked tables of docs/pricing.md, and the same as in SQL."""

import datetime as dt
from dataclasses import FrozenInstanceError, replace
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Customer
from pricing.catalogue.offering import facts_of
from pricing.models import BillingItem, Price, Service
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from pricing.rules.precedence import PriceChange, PriceFact, changes_after, price_in_force
from tests.tables import table

CUSTOMERS = {"everybody": None, "acme": 1, "globex": 2}
KINDS = {label: Kind(value) for value, label in Kind.choices()}
PRICES = table("pricing.md", "price", "kind", "for", "unit price", "from", "until")
WORKED = table("pricing.md", "at", "customer", "counts", "because")
NEW_YEAR = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def instant(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def fact(number, **fields):
    """A list price of 0.04 for everybody, from new year on."""
    said = {"customer": None, "kind": Kind.LIST_PRICE, "unit_price": Decimal("0.04"), "unit_size": 1000}
    return PriceFact(id=number, item=1, **(said | {"begins_at": NEW_YEAR} | fields))


FACTS = {
    name: fact(
        number,
        customer=CUSTOMERS[whom],
        kind=KINDS[kind],
        unit_price=Decimal(unit_price),
        begins_at=instant(begins_at),
        ends_at=instant(ends_at) if ends_at else None,
    )
    for number, (name, kind, whom, unit_price, begins_at, ends_at) in enumerate(PRICES)
}


@pytest.mark.parametrize(("at", "customer", "counts", "why"), WORKED, ids=[row[-1] for row in WORKED])
def test_the_worked_table_of_the_documentation_holds(at, customer, counts, why):
    found = price_in_force(FACTS.values(), customer=CUSTOMERS[customer], at=instant(at))

    assert found == (None if counts == "none" else FACTS[counts])


def test_the_worked_tables_are_read_whole():
    assert (len(FACTS), len(WORKED)) == (7, 17)
    assert {row[2] for row in WORKED} == {*FACTS, "none"}


def test_the_order_of_the_prices_does_not_matter():
    backwards = [*FACTS.values()][::-1]

    found = price_in_force(backwards, customer=1, at=instant("2026-02-11 12:30"))

    assert found == FACTS["G"]


def test_an_instant_may_be_written_in_any_zone():
    in_shanghai = dt.datetime.fromisoformat("2026-02-01T08:00:00+08:00")

    assert price_in_force(FACTS.values(), customer=None, at=in_shanghai) == FACTS["C"]


def test_without_prices_none_counts():
    assert price_in_force([], customer=None, at=NEW_YEAR) is None


def test_prices_of_several_items_are_refused():
    prices = [fact(1), replace(fact(2), item=2)]

    with pytest.raises(ValueError, match="several billing items"):
        price_in_force(prices, customer=None, at=NEW_YEAR)


def test_a_naive_instant_is_refused():
    with pytest.raises(ValueError, match="no offset"):
        price_in_force([fact(1)], customer=None, at=dt.datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize("field", ["begins_at", "ends_at"])
def test_a_period_without_offset_is_refused(field):
    naive = dt.datetime(2026, 1, 1)  # noqa: DTZ001

    with pytest.raises(ValueError, match="no offset"):
        fact(1, **{field: naive})


@pytest.mark.parametrize("unit_price", [0.04, 1, "0.04", None])
def test_a_unit_price_is_a_decimal_and_nothing_else(unit_price):
    with pytest.raises(TypeError, match="is a Decimal"):
        fact(1, unit_price=unit_price)


def test_a_fact_does_not_change():
    with pytest.raises(FrozenInstanceError):
        fact(1).unit_price = Decimal(1)


def test_changes_are_those_of_what_is_charged():
    changes = changes_after(FACTS.values(), customer=None, at=NEW_YEAR)

    assert changes == (
        PriceChange(instant("2026-02-01 00:00"), FACTS["C"]),
        PriceChange(instant("2026-02-10 00:00"), FACTS["D"]),
        PriceChange(instant("2026-02-12 00:00"), FACTS["C"]),
        PriceChange(instant("2026-02-15 00:00"), FACTS["A"]),
        PriceChange(instant("2026-03-01 00:00"), FACTS["B"]),
    )


def test_what_has_changed_already_is_no_change():
    changes = changes_after(FACTS.values(), customer=None, at=instant("2026-02-15 00:00"))

    assert [change.price for change in changes] == [FACTS["B"]]


def test_a_successor_on_the_same_terms_is_no_change():
    prices = [fact(1, ends_at=NEW_YEAR + DAY), fact(2, begins_at=NEW_YEAR + DAY)]

    assert changes_after(prices, customer=None, at=NEW_YEAR) == ()


@pytest.mark.parametrize(
    "terms",
    [{"unit_size": 10_000}, {"unit_price": Decimal("0.05")}, {"kind": Kind.FREE_TRIAL}],
)
def test_a_successor_on_other_terms_is_a_change(terms):
    prices = [fact(1, ends_at=NEW_YEAR + DAY), fact(2, begins_at=NEW_YEAR + DAY, **terms)]

    changes = changes_after(prices, customer=None, at=NEW_YEAR)

    assert changes == (PriceChange(NEW_YEAR + DAY, prices[1]),)


# --- The same as in SQL --------------------------------------------------------------------------


WHOLE_DAYS = st.integers(0, 12)


@st.composite
def periods(draw):
    """Periods that do not overlap, some of which meet; the last may have no end."""
    days = sorted(draw(st.sets(WHOLE_DAYS, max_size=6)))
    pairs = zip(days, [*days[1:], None], strict=False)
    return [pair for pair in pairs if draw(st.booleans())]


PRICE_SETS = st.fixed_dictionaries(
    {(code, kind): periods() for code in (None, "acme", "globex") for kind in Kind}
)
SETTINGS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.django_db
@SETTINGS
@given(prices=PRICE_SETS, day=st.integers(-1, 13), code=st.sampled_from(["acme", "globex"]))
def test_sql_and_the_pure_function_choose_the_same(acme, globex, prices, day, code):
    at, customer = NEW_YEAR + day * DAY, Customer.objects.get(code=code)
    with transaction.atomic():
        item = new_item(prices, {None: None, "acme": acme, "globex": globex})

        for_whom = Price.objects.filter(billing_item=item).exclude(
            customer__in=Customer.objects.exclude(pk=customer.pk)
        )
        in_sql = for_whom.in_force(at=at).by_precedence().first()
        for_everybody = item.prices.for_everybody().in_force(at=at).by_precedence().first()
        own, everybodys = (price_in_force(facts_of(item), customer=one, at=at) for one in (customer.pk, None))

        transaction.set_rollback(True)
    assert (own and own.id) == (in_sql and in_sql.pk)
    assert (everybodys and everybodys.id) == (for_everybody and for_everybody.pk)


def new_item(prices, customers):
    service = Service.objects.get(name="nova-embedding-stable")
    item = BillingItem.objects.create(service=service, measure=Measure.OUTPUT_TOKENS)
    Price.objects.bulk_create(
        Price(
            billing_item=item,
            customer=customers[code],
            kind=kind.value,
            unit_price=Decimal(0) if kind == Kind.FREE_TRIAL else Decimal("0.04"),
            begins_at=NEW_YEAR + begins * DAY,
            ends_at=None if ends is None else NEW_YEAR + ends * DAY,
        )
        for (code, kind), periods in prices.items()
        for begins, ends in periods
    )
    return item
