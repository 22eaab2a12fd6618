"""The second opinion on coverage by itself: plain values in, what is covered and drawn out."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from invoices.books.coverage import (
    Before,
    Call,
    Consumption,
    Draw,
    Package,
    PackageList,
    Period,
    Reversal,
    cover,
)
from invoices.books.expected import HOUR, Price, PriceList

BEGIN = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
ACME, CHAT, VOICE = 1, 1, 2
MEASURES = ("input_tokens", "output_tokens", "images")
NO_PRICES = PriceList(items=[], prices=[], measures=MEASURES)


def package(number, tokens: int | None = 100, **fields):
    """A package that was bought when it began, for a day."""
    given: dict[str, Any] = {"bought_at": BEGIN, "begins_at": BEGIN, "expires_at": BEGIN + 24 * HOUR}
    return Package(number, f"P{number}", ACME, tokens, **({"ended_at": None} | given | fields))


def call(event_id, minute, *quantities, service=CHAT, hour=0):
    """A call of one of the hours from BEGIN on."""
    at = BEGIN + hour * HOUR + minute * MINUTE
    used = (*quantities, *[0] * (len(MEASURES) - len(quantities)))
    return Call(service, BEGIN + hour * HOUR, at, event_id, used)


def draw(number, left, **ran_out):
    """A draw of the hour of BEGIN that left so much."""
    nowhere = {
        "ran_out_at": None, "ran_out_event_id": None, "ran_out_measure": "", "ran_out_quantity": 0
    }  # fmt: skip
    drawn = Decimal(100) - left
    return Draw(1, 1, number, False, drawn, Decimal(100), Decimal(left), **(nowhere | ran_out))


def trial_of(*measures, customer=None, begins_at=BEGIN):
    """The prices of chat's items, and a free trial of these."""
    items = {measure: number for number, measure in enumerate(MEASURES)}
    listed = [
        Price(number, number, None, "list_price", Decimal("0.04"), 1000, BEGIN - HOUR, None)
        for number in items.values()
    ]
    trials = [
        Price(9, items[measure], customer, "free_trial", Decimal(0), 1000, begins_at, None)
        for measure in measures
    ]
    sold = [(number, CHAT, measure) for measure, number in items.items()]
    return PriceList(items=sold, prices=[*listed, *trials], measures=MEASURES)


def covered(
    *packages,
    calls=(),
    reversals=(),
    drawn=(),
    services=(CHAT,),
    weights=(),
    sealed_in=BEGIN,
    prices=NO_PRICES,
):
    """What each package covers by measure, and what is drawn, given back (negative) and left."""
    periods = [
        Period(one.id, ACME, service, one.begins_at, one.expires_at)
        for one in packages
        for service in services
    ]
    listed = PackageList(packages=packages, periods=periods, weights=weights, measures=MEASURES)
    last = {one.package: one for one in drawn}
    usage, draws = cover(
        customer=ACME,
        consumption=Consumption(calls=list(calls), reversals=list(reversals)),
        sealed_in=sealed_in,
        before=Before(last, {BEGIN: last}),
        packages=listed,
        prices=prices,
    )
    found: dict[Any, int] = {}
    for portion in usage:
        for measure, quantity in zip(MEASURES, portion.quantities, strict=True):
            if quantity:
                key = portion.package, measure
                found[key] = found.get(key, 0) + quantity
    return found, [(one.package, -one.tokens if one.is_return else one.tokens, one.left) for one in draws]


IN, OUT, IMAGES = MEASURES


def test_a_package_covers_calls_as_far_as_it_reaches():
    assert covered(package(1), calls=[call("a", 1, 60, 10), call("b", 2, 20, 20)]) == (
        {(1, IN): 80, (1, OUT): 20, (None, OUT): 10},
        [(1, 100, 0)],
    )


def test_calls_are_covered_in_the_order_of_time_and_id():
    calls = [call("b", 1, 0, 60), call("a", 2, 0, 9), call("a0", 1, 60)]

    assert covered(package(1), calls=calls)[0] == {(1, IN): 60, (1, OUT): 40, (None, OUT): 29}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"expires_at": BEGIN + 25 * HOUR}, {}),
        ({"bought_at": BEGIN + MINUTE}, {}),
    ],
    ids=["soonest expiry", "earliest bought"],
)
def test_packages_are_drawn_on_in_turn(first, second):
    found, draws = covered(package(1, **first), package(2, **second), calls=[call("a", 1, 130)])

    assert found == {(2, IN): 100, (1, IN): 30}
    assert sorted(draws) == [(1, 30, 70), (2, 100, 0)]


def test_of_packages_alike_the_first_is_drawn_on_first():
    assert covered(package(2), package(1), calls=[call("a", 1, 30)])[1] == [(1, 30, 70)]


def test_what_is_less_than_a_token_takes_lapses():
    weights = [(1, CHAT, IN, Decimal("0.3")), (1, CHAT, OUT, Decimal(2))]

    assert covered(package(1, 5), calls=[call("a", 1, 10, 2), call("b", 2, 1)], weights=weights) == (
        {(1, IN): 10, (1, OUT): 1, (None, OUT): 1, (None, IN): 1},
        [(1, 5, 0)],
    )


@pytest.mark.parametrize(("hour", "is_covered"), [(-1, False), (0, True), (23, True), (24, False)])
def test_calls_are_covered_at_hours_within_the_period(hour, is_covered):
    found, _ = covered(package(1), calls=[call("a", 59, 1, hour=hour)])

    assert found == {(1 if is_covered else None, IN): 1}


def test_a_package_covers_its_services_only():
    assert covered(package(1), calls=[call("a", 1, 5, service=VOICE)]) == ({(None, IN): 5}, [])


def test_a_tpm_package_covers_everything_and_nothing_is_drawn():
    assert covered(package(1, None), calls=[call("a", 1, 10**9, 0, 3)]) == (
        {(1, IN): 10**9, (1, IMAGES): 3},
        [],
    )


@pytest.mark.parametrize(
    ("prices", "is_covered"),
    [
        (trial_of(IN, OUT), False),
        (trial_of(IN, OUT, customer=ACME), False),
        (trial_of(IN), True),
        (trial_of(IN, OUT, begins_at=BEGIN + HOUR), True),
        (trial_of(IN, OUT, customer=ACME + 1), True),
    ],
    ids=["everybody's", "its own", "of input only", "later", "another customer's"],
)
def test_what_a_trial_makes_free_draws_nothing_and_gives_nothing_back(prices, is_covered):
    reversals = [taken_back("a", 1, 20)]
    found, draws = covered(
        package(1), calls=[call("b", 1, 5)], drawn=[draw(1, 40)], reversals=reversals, prices=prices
    )

    assert found == {(1 if is_covered else None, IN): -15}
    assert draws == ([(1, -20, 60), (1, 5, 55)] if is_covered else [])


def test_a_tpm_package_covers_what_a_trial_makes_free():
    found, _ = covered(package(1, None), calls=[call("a", 1, 5)], prices=trial_of(IN, OUT))

    assert found == {(1, IN): 5}


def test_images_are_charged_beside_a_tokens_package():
    assert covered(package(1), calls=[call("a", 1, 5, 0, 3)])[0] == {(1, IN): 5, (None, IMAGES): 3}


@pytest.mark.parametrize(
    "before",
    [
        draw(1, 0),
        draw(1, 1, ran_out_at=BEGIN, ran_out_event_id="a", ran_out_measure=IN),
    ],
    ids=["nothing left", "ran out"],
)
def test_a_package_that_is_used_up_covers_nothing_more(before):
    assert covered(package(1), calls=[call("a", 1, 5)], drawn=[before]) == ({(None, IN): 5}, [])


@pytest.mark.parametrize(("minutes", "drawn"), [(-1, []), (0, []), (1, [(1, 5, 95)])])
def test_a_package_that_ended_before_the_closing_covers_nothing(minutes, drawn):
    ended = package(1, ended_at=BEGIN + minutes * MINUTE)

    assert covered(ended, calls=[call("a", 1, 5)])[1] == drawn


def taken_back(event_id, minute, *quantities):
    """The reversal of a call that was billed in the hour of BEGIN."""
    service, begin, at, event_id, used = call(event_id, minute, *(-quantity for quantity in quantities))
    return Reversal(service, begin, at, event_id, BEGIN, used)


def test_a_reversal_gives_back_what_was_drawn_and_that_can_be_drawn_again():
    found = covered(
        package(1), drawn=[draw(1, 40)], reversals=[taken_back("a", 1, 20, 10)], calls=[call("b", 1, 65)]
    )

    assert found == ({(1, IN): 45, (1, OUT): -10}, [(1, -30, 70), (1, 65, 5)])


def test_the_smallest_part_of_a_token_is_given_back():
    weights = [(1, CHAT, IN, Decimal("0.001"))]

    found = covered(package(1), drawn=[draw(1, 40)], reversals=[taken_back("a", 1, 1)], weights=weights)

    assert found[1] == [(1, Decimal("-0.001"), Decimal("40.001"))]


@pytest.mark.parametrize(
    ("event_id", "minute", "of_package"),
    [("z", 9, (-20, -10)), ("b", 10, (-20, -10)), ("c", 10, (-20, -4)), ("d", 10, (0, 0)), ("a", 11, (0, 0))],
)
def test_a_reversal_is_parted_as_the_call_was(event_id, minute, of_package):
    ran_out = {
        "ran_out_at": BEGIN + 10 * MINUTE, "ran_out_event_id": "c", "ran_out_measure": OUT,
        "ran_out_quantity": 4,
    }  # fmt: skip

    found, draws = covered(
        package(1), drawn=[draw(1, 0, **ran_out)], reversals=[taken_back(event_id, minute, 20, 10)]
    )

    assert (found.get((1, IN), 0), found.get((1, OUT), 0)) == of_package
    assert sum(found.values()) == -30
    assert draws == []  # it has ended, and takes nothing back


def test_a_reversal_of_what_no_draw_covers_is_of_what_was_charged():
    assert covered(package(1), reversals=[taken_back("a", 1, 20)]) == ({(None, IN): -20}, [])
