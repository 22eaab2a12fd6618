"""When a change of prices makes a difference, and for whom: worked cases, and every cell of random ones."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from pricing.rules.kinds import Kind
from pricing.rules.precedence import PriceFact, price_in_force
from pricing.timeline.differences import differing_intervals

START = dt.datetime(2026, 11, 25, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
CELLS = 12


def fact(key, begins, ends=None, *, price="1", kind=Kind.LIST_PRICE, customer=None, item=1, size=1000):
    """A price from so many days after the start until so many."""
    return PriceFact(
        id=key,
        item=item,
        customer=customer,
        kind=kind,
        unit_price=Decimal(price),
        unit_size=size,
        begins_at=START + begins * DAY,
        ends_at=None if ends is None else START + ends * DAY,
    )


def drawn(without, changed):
    """Each stretch by its days, with the courses that differ."""
    return [
        (
            (one.begins_at - START).days,
            (one.ends_at - START).days if one.ends_at else None,
            sorted(one.differing, key=str),
        )
        for one in differing_intervals(without=without, changed=changed, most=99)[0]
    ]


BASE = fact(1, 0)


def test_a_new_price_differs_from_its_begin_on():
    assert drawn([BASE], [replace(BASE, ends_at=START + 5 * DAY), fact(2, 5, price="2")]) == [
        (5, None, [(1, None)])
    ]


def test_the_same_price_in_other_words_is_no_difference():
    assert (
        drawn([BASE], [replace(BASE, ends_at=START + 5 * DAY), fact(2, 5, price="1000", size=1_000_000)])
        == []
    )


def test_a_price_beneath_an_offer_differs_when_the_offer_is_over():
    offer = fact(3, 2, 8, kind=Kind.LIMITED_TIME_OFFER, price="0.5")

    assert drawn([BASE, offer], [replace(BASE, ends_at=START + 5 * DAY), offer, fact(2, 5, price="2")]) == [
        (8, None, [(1, None)])
    ]


def test_where_what_it_replaces_changes_a_stretch_ends_and_another_begins():
    offer = fact(3, 2, 8, kind=Kind.LIMITED_TIME_OFFER, price="0.5")

    assert drawn([BASE, offer], [BASE, offer, fact(2, 5, price="2", customer=7)]) == [
        (5, 8, [(1, 7)]),
        (8, None, [(1, 7)]),
    ]


def test_a_customer_with_a_price_of_its_own_is_not_concerned():
    own = fact(4, 0, price="0.1", customer=7)

    assert drawn([BASE, own], [BASE, own, fact(2, 5, 6, kind=Kind.FREE_TRIAL, price="0")]) == [
        (5, 6, [(1, None)])
    ]


def test_a_price_that_is_missing_differs_from_a_free_one():
    trial = fact(2, 0, kind=Kind.FREE_TRIAL, price="0")

    assert drawn([trial], [replace(trial, ends_at=START + 3 * DAY)]) == [(3, None, [(1, None)])]


facts = st.lists(
    st.builds(
        # Of what it is, and whose, never changes with a price's key.
        lambda key, begins, length, price, kind: fact(
            key,
            begins,
            None if length is None else begins + length,
            price="0" if kind == Kind.FREE_TRIAL else price,
            kind=kind,
            customer=[None, 7, 8][key % 3],
            item=1 + key % 2,
        ),
        st.integers(1, 30),
        st.integers(0, CELLS - 1),
        st.one_of(st.none(), st.integers(1, CELLS)),
        st.sampled_from(["1", "2", "3"]),
        st.sampled_from(list(Kind)),
    ),
    max_size=8,
    unique_by=lambda price: price.id,
)


@given(without=facts, changed=facts)
def test_on_every_day_what_differs_is_on_a_stretch_and_what_does_not_is_on_none(without, changed):
    intervals, _ = differing_intervals(without=without, changed=changed, most=99)

    for day in range(CELLS * 2 + 1):
        instant = START + day * DAY
        wanted = {
            (item, customer)
            for item, customer in {(p.item, c) for p in [*without, *changed] for c in (p.customer, None)}
            if rate(without, item, customer, instant) != rate(changed, item, customer, instant)
        }
        found = [one for one in intervals if holds(one, instant)]
        assert [set(one.differing) for one in found] == ([wanted] if wanted else [])


def holds(interval, instant):
    return interval.begins_at <= instant and (interval.ends_at is None or instant < interval.ends_at)


def rate(prices, item, customer, instant):
    price = price_in_force([one for one in prices if one.item == item], customer=customer, at=instant)
    return price and price.rate
