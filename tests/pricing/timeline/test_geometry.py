"""An item's prices drawn over time: where the bars lie, and which of them count."""

import datetime as dt
from decimal import Decimal

from pricing.rules.kinds import Kind
from pricing.rules.precedence import PriceFact
from pricing.timeline.geometry import AFTER, AT_LEAST, BEFORE, Span, counting_prices, span_of, timeline_of

NOW = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
SPAN = Span(NOW - 10 * DAY, NOW + 90 * DAY)


def fact(begins, ends=None, *, kind=Kind.LIST_PRICE, price="0.04", customer=None, key=1):
    """A price from so many days after now until so many."""
    return PriceFact(
        id=key,
        item=1,
        customer=customer,
        kind=kind,
        unit_price=Decimal(price),
        unit_size=1000,
        begins_at=NOW + begins * DAY,
        ends_at=None if ends is None else NOW + ends * DAY,
    )


def drawn(*facts):
    """Each lane's bars: offset, width and whether it counts."""
    return [
        [(bar.offset, bar.width, bar.counts) for bar in lane.bars]
        for lane in timeline_of(facts, now=NOW, span=SPAN).lanes
    ]


def test_without_changes_ahead_sixty_days_are_shown():
    assert span_of([fact(-100)], now=NOW) == Span(NOW - BEFORE, NOW + AT_LEAST)


def test_two_weeks_are_shown_after_the_last_change():
    facts = [fact(-100), fact(5, 200, kind=Kind.FREE_TRIAL)]

    assert span_of(facts, now=NOW) == Span(NOW - BEFORE, NOW + 200 * DAY + AFTER)


def test_a_price_without_an_end_fills_the_span():
    assert drawn(fact(-100)) == [[(0, 100, True)]]


def test_now_is_marked_where_it_lies():
    assert timeline_of([fact(-100)], now=NOW, span=SPAN).now == Decimal("10.00")


def test_beneath_an_offer_the_list_price_does_not_count():
    offer = fact(10, 30, kind=Kind.LIMITED_TIME_OFFER, price="0.02", key=2)

    assert drawn(fact(-100), offer) == [
        [(20, 20, True)],
        [(0, 20, True), (20, 20, False), (40, 60, True)],
    ]


def test_the_first_lane_is_that_of_the_kind_that_counts_first():
    facts = [fact(-9, key=n, kind=kind) for n, kind in enumerate(reversed(Kind))]

    assert [lane.kind for lane in timeline_of(facts, now=NOW, span=SPAN).lanes] == list(Kind)


def test_a_customers_own_price_has_its_own_lane_and_takes_nothing_from_everybodys():
    own = fact(0, 40, customer=7, key=2)

    lanes = timeline_of([fact(-100), own], now=NOW, span=SPAN).lanes

    assert [(lane.customer, [bar.counts for bar in lane.bars]) for lane in lanes] == [
        (None, [True]),
        (7, [True]),
    ]


def test_what_is_over_or_far_ahead_is_not_drawn():
    assert drawn(fact(-100, -10), fact(90, key=2)) == []


def test_a_bar_is_cut_at_the_edges_of_the_span():
    assert drawn(fact(-100, 15)) == [[(0, 25, True)]]


def test_what_counts_now_next_and_after_is_told_with_its_instants():
    facts = [fact(-20), fact(5, 10, kind=Kind.FREE_TRIAL, price="0", key=2)]

    told = counting_prices(facts, customer=None, now=NOW)

    assert [(at - NOW, price.id) for at, price in told] == [(-20 * DAY, 1), (5 * DAY, 2), (10 * DAY, 1)]


def test_what_counts_now_counts_since_the_offer_before_it_ended():
    facts = [fact(-20), fact(-10, -3, kind=Kind.LIMITED_TIME_OFFER, price="0.01", key=2)]

    assert counting_prices(facts, customer=None, now=NOW) == [(NOW - 3 * DAY, facts[0])]
