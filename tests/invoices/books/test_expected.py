"""The second opinion by itself: plain values in, what is due out."""

import datetime as dt
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from invoices.books.expected import (
    HOUR,
    EarlierBilling,
    Line,
    LineKey,
    Order,
    Portion,
    Price,
    PriceList,
    recompute,
)

BEGIN = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
ACME, GLOBEX = 1, 2
CHAT, VOICE = 1, 2
ITEM = 10
NOTHING_BEFORE = EarlierBilling({}, {})


def listed(number, **fields):
    """A list price of 0.04 per thousand for everybody, since long ago."""
    said: dict[str, Any] = {
        "customer": None,
        "kind": "list_price",
        "unit_price": Decimal("0.04"),
        "unit_size": 1000,
    }
    said |= {"begins_at": BEGIN - 100 * HOUR, "ends_at": None}
    return Price(number, ITEM, **(said | fields))


def price_list(*prices):
    """The prices of chat's only item; voice has none."""
    return PriceList(items=[(ITEM, CHAT, "input_tokens")], prices=prices, measures=("input_tokens",))


def line(number=5, **fields):
    """A line of 1,000 tokens at price 1, billed in the hour of its usage."""
    said: dict[str, Any] = {
        "bill": 1, "sealed_in": BEGIN, "hour": BEGIN, "usage_hour": BEGIN, "service": CHAT,
        "service_name": "chat", "measure": "input_tokens", "billing_item": ITEM, "price": 1,
        "price_kind": "list_price", "is_own_price": False, "unit_price": Decimal("0.04"), "unit_size": 1000,
        "records": 1, "quantity": Decimal(1000), "amount": Decimal("0.04"), "correction": "",
        "corrects": None, "rerating": None,
    }  # fmt: skip
    return Line(number, **(said | fields))


def due(usage, *, orders=(), affected=(), before=NOTHING_BEFORE, prices=None):
    found = recompute(
        customer=ACME, usage=usage, orders=list(orders), affected=list(affected), before=before,
        prices=prices or price_list(listed(1)),
    )  # fmt: skip
    return {key: (one.records, one.quantity) for key, one in found.due.items()}, found.unbillable


def order(**fields):
    """A re-rating of the hour to 0.03."""
    said: dict[str, Any] = {
        "price": 1,
        "from_hour": BEGIN,
        "until_hour": BEGIN + HOUR,
        "unit_price": Decimal("0.03"),
    }
    return Order(7, **(said | fields))


# --- Prices ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("others", "counts"),
    [
        ([listed(2, kind="limited_time_offer")], 2),
        ([listed(2, kind="limited_time_offer"), listed(3, kind="free_trial")], 3),
        ([listed(2, customer=ACME), listed(3, kind="free_trial")], 2),
        ([listed(2, customer=GLOBEX)], 1),
        ([listed(2, kind="free_trial", begins_at=BEGIN)], 2),
        ([listed(2, kind="free_trial", begins_at=BEGIN + MINUTE)], 1),
        ([listed(2, kind="free_trial", ends_at=BEGIN)], 1),
        ([listed(2, kind="free_trial", ends_at=BEGIN + MINUTE)], 2),
    ],
)
def test_of_prices_in_force_the_own_and_then_the_better_kind_counts(others, counts):
    found = price_list(listed(1), *others).in_force(item=ITEM, customer=ACME, at=BEGIN)

    assert found is not None
    assert found.id == counts


def test_without_a_price_in_force_none_counts():
    assert price_list(listed(1, ends_at=BEGIN)).in_force(item=ITEM, customer=ACME, at=BEGIN) is None


@pytest.mark.parametrize(
    ("minute", "begin", "end"),
    [(0, 0, 20), (19, 0, 20), (20, 20, 50), (49, 20, 50), (50, 50, 60), (59, 50, 60)],
)
def test_a_stretch_ends_where_a_price_begins_or_ends(minute, begin, end):
    prices = price_list(listed(1, begins_at=BEGIN + 20 * MINUTE, ends_at=BEGIN + 50 * MINUTE))

    assert prices.interval(BEGIN + minute * MINUTE) == (BEGIN + begin * MINUTE, BEGIN + end * MINUTE)


# --- Usage -----------------------------------------------------------------------------------------


def test_usage_is_due_at_its_price():
    found = recompute(
        customer=ACME, usage=[Portion(CHAT, BEGIN, None, 2, (1500,))], orders=[], affected=[],
        before=NOTHING_BEFORE, prices=price_list(listed(1)),
    )  # fmt: skip

    assert found.unbillable == []
    assert {key: (one.records, one.quantity, one.amount) for key, one in found.due.items()} == {
        LineKey(BEGIN, ITEM, 1): (2, 1500, Fraction(6, 100))
    }


def test_stretches_of_an_hour_at_the_same_price_are_one_line():
    usage = [Portion(CHAT, BEGIN, None, 2, (10,)), Portion(CHAT, BEGIN + 30 * MINUTE, None, 3, (20,))]

    assert due(usage) == ({LineKey(BEGIN, ITEM, 1): (5, 30)}, [])


def test_usage_of_a_service_without_an_item_is_in_no_line():
    assert due([Portion(VOICE, BEGIN, None, 1, (7,))]) == (
        {}, ["7 input_tokens for which there is no price", "1 records for which there is no price"]
    )  # fmt: skip


def test_usage_of_an_item_without_a_price_is_in_no_line():
    found = due([Portion(CHAT, BEGIN, None, 1, (0,))], prices=price_list(listed(1, ends_at=BEGIN)))

    assert found == ({}, ["1 records for which there is no price"])


# --- Reversals -------------------------------------------------------------------------------------


def test_a_reversal_corrects_the_line_of_the_hour_in_which_it_was_billed():
    before = EarlierBilling({(BEGIN, LineKey(BEGIN, ITEM, 1)): line()}, {})

    found = due([Portion(CHAT, BEGIN, BEGIN, 1, (-400,))], before=before)

    assert found == ({LineKey(BEGIN, ITEM, 1, "reversal", 5): (1, -400)}, [])


def test_a_reversal_of_what_no_bill_holds_is_in_no_line():
    found = due([Portion(CHAT, BEGIN, BEGIN, 3, (-400,))])

    assert found == ({}, ["reversals of 3 records that no earlier bill holds"])


def test_the_price_that_counts_for_a_line_is_that_of_its_last_rerating():
    def rebilled(number, unit_price, correction="charged_anew"):
        return line(number, correction=correction, corrects=5, unit_price=Decimal(unit_price))

    before = EarlierBilling(
        {}, {5: [rebilled(6, "0.03"), rebilled(7, "0.02"), rebilled(8, "0.03", "taken_back")]}
    )

    assert before.counting_price(line()) == Decimal("0.02")
    assert NOTHING_BEFORE.counting_price(line()) == Decimal("0.04")


def test_what_is_left_of_a_line_is_what_no_reversal_took():
    corrections = [
        line(6, correction="reversal", corrects=5, quantity=Decimal(-300)),
        line(7, correction="taken_back", corrects=5, quantity=Decimal(-700)),
        line(8, correction="reversal", corrects=5, quantity=Decimal(-200)),
    ]

    assert EarlierBilling({}, {5: corrections}).left(line()) == 500


# --- Re-ratings ------------------------------------------------------------------------------------


def test_a_rerating_takes_a_line_back_and_charges_it_anew():
    assert due([], orders=[order()], affected=[line()]) == (
        {
            LineKey(BEGIN, ITEM, 1, "taken_back", 5): (0, -1000),
            LineKey(BEGIN, ITEM, 1, "charged_anew", 5): (0, 1000),
        },
        [],
    )


@pytest.mark.parametrize(
    "other",
    [
        {"price": 2},
        {"from_hour": BEGIN + HOUR, "until_hour": BEGIN + 2 * HOUR},
        {"from_hour": BEGIN - HOUR, "until_hour": BEGIN},
        {"unit_price": Decimal("0.04")},
    ],
    ids=["another price", "later hours", "earlier hours", "the same price"],
)
def test_a_rerating_leaves_a_line_alone(other):
    assert due([], orders=[order(**other)], affected=[line()]) == ({}, [])


def test_a_rerating_leaves_out_what_is_reversed_before_and_now():
    before = EarlierBilling(
        {(BEGIN, LineKey(BEGIN, ITEM, 1)): line()},
        {5: [line(6, correction="reversal", corrects=5, quantity=Decimal(-300))]},
    )

    found, _ = due(
        [Portion(CHAT, BEGIN, BEGIN, 1, (-200,))], orders=[order()], affected=[line()], before=before
    )

    assert found[LineKey(BEGIN, ITEM, 1, "charged_anew", 5)] == (0, 500)


def test_a_line_that_is_reversed_whole_is_not_rerated():
    before = EarlierBilling({(BEGIN, LineKey(BEGIN, ITEM, 1)): line()}, {})

    found, _ = due(
        [Portion(CHAT, BEGIN, BEGIN, 1, (-1000,))], orders=[order()], affected=[line()], before=before
    )

    assert found.keys() == {LineKey(BEGIN, ITEM, 1, "reversal", 5)}
