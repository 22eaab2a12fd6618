"""The checker of packages finds each kind of fault where there is one."""

import datetime as dt
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from tests.faults.packages import Sold, check_packages

TEN = dt.datetime(2026, 11, 23, 10, tzinfo=dt.UTC)
ELEVEN, TOMORROW = TEN + dt.timedelta(hours=1), TEN + dt.timedelta(days=1)
JOURNAL: list[dict[str, Any]] = [
    {"ordered": "order", "customer": "acme", "product": "small", "units": None},
    {"bought": "order", "number": "P1", "attempts": 1},
]


def row(first, **changes):
    return SimpleNamespace(**(first | changes))


def purchase(**changes):
    """A package of 1,000 tokens, bought and committed within its first hour."""
    document = {"package": 1, "order_id": "order", "number": "P1", "customer": "acme", "product": "small"}
    bought = {"units": None, "tokens": 1000, "begins_at": TEN, "expires_at": TOMORROW}
    bought["committed"] = TEN + dt.timedelta(minutes=30)
    paid = {"price": Decimal(20), "quantity": 1, "amount": Decimal(20)}
    return row(document | bought | paid, **changes)


def period(**changes):
    place = {"package": 1, "customer": 1, "service": 7, "method": "tokens_package"}
    return row(place | {"begins_at": TEN, "ends_at": TOMORROW}, **changes)


def draw(**changes):
    place = {"id": 1, "package": 1, "bill": 1, "hour": TEN, "is_return": False, "ran_out_at": TEN}
    return row(place | {"tokens": 1000, "left_before": 1000, "left": 0}, **changes)


def line(**changes):
    place = {"id": 1, "bill": 1, "customer": 1, "hour": TEN, "usage_hour": TEN, "service": 7, "package": 1}
    sold = {"measure": "input_tokens", "kind": "list_price", "correction": ""}
    return row(place | sold | {"quantity": 600, "amount": 0}, **changes)


def weight(**changes):
    return row({"package": 1, "service": 7, "measure": "output_tokens", "weight": Decimal(2)}, **changes)


def used(**changes):
    quantities = {"input_tokens": 600, "output_tokens": 250, "input_characters": None}
    return row({"customer": 1, "service": 7} | quantities, **changes)


# Of 600 tokens in and 250 out at two each, 600 and 200 are covered.
COVERED = [line(), line(id=2, measure="output_tokens", quantity=200)]
CHARGED = line(id=3, measure="output_tokens", quantity=50, package=None, amount=Decimal("0.005"))
RIGHT = {
    "purchases": [purchase()],
    "periods": [period()],
    "weights": [weight()],
    "draws": [draw()],
    "lines": [*COVERED, CHARGED],
    "used": [used()],
    "closings": [row({"hour": TEN, "committed": ELEVEN})],
}


def faults(*, journal=JOURNAL, **changes):
    return check_packages(Sold(**(RIGHT | changes)), journal=journal).faults()


def test_it_is_content_with_a_package_that_ran_out():
    found = check_packages(Sold(**RIGHT), journal=JOURNAL)

    assert found.faults() == {}
    assert (found.bought, found.ran_out, found.covered, found.charged) == (1, 1, 800, 50)


def test_an_order_that_was_not_answered_may_be_bought_or_not():
    without: dict[str, Any] = {"purchases": [], "periods": [], "draws": [], "lines": [], "used": []}

    assert faults(journal=JOURNAL[:1]) == {}
    assert faults(journal=JOURNAL[:1], **without) == {}
    assert faults(**without) == {"orders": 1}


def test_it_finds_an_order_that_was_bought_twice():
    again = purchase(package=2, number="P2")

    assert faults(purchases=[purchase(), again]) == {"orders": 1}


def test_it_finds_a_purchase_that_was_not_ordered_or_is_another():
    assert faults(journal=[]) == {"orders": 1}
    assert faults(purchases=[purchase(product="large")]) == {"orders": 1}
    assert faults(purchases=[purchase(amount=Decimal(19))]) == {"orders": 1}


def test_it_finds_usage_that_is_neither_covered_nor_charged():
    assert faults(used=[used(output_tokens=251)]) == {"coverage": 1}
    assert faults(lines=COVERED) == {"coverage": 1}


def test_it_finds_a_line_that_another_customers_package_covers():
    assert faults(periods=[period(customer=2)]) == {"coverage": 2}


def test_it_finds_a_covered_line_before_the_package_or_that_costs_something():
    early = [line(usage_hour=TEN - dt.timedelta(hours=1)), *RIGHT["lines"][1:]]
    dear = [line(amount=Decimal(1)), *RIGHT["lines"][1:]]

    assert (faults(lines=early), faults(lines=dear)) == ({"coverage": 1}, {"coverage": 1})


def test_it_finds_a_charge_while_something_was_left():
    rest = draw(tokens=1000, left_before=2000, left=1000, ran_out_at=None)

    assert faults(purchases=[purchase(tokens=2000)], draws=[rest]) == {"coverage": 1}
    assert faults(purchases=[purchase(tokens=2000)], draws=[draw(left_before=2000, left=1000)]) == {}


def test_it_finds_a_charge_while_a_tpm_package_was_in_force():
    tpm = {"periods": [period(method="tpm_package")], "purchases": [purchase(tokens=None)], "draws": []}

    assert faults(**tpm) == {"coverage": 1}
    assert faults(**tpm, lines=[*COVERED, line(id=3, measure="output_tokens", quantity=50)]) == {}


def test_it_finds_what_is_free_and_drawn():
    free = line(kind="free_trial")
    tpm = {"periods": [period(method="tpm_package")], "purchases": [purchase(tokens=None)], "draws": []}
    rest: dict[str, Any] = {"used": [used(output_tokens=0)]}
    untouched = {"draws": [], "lines": [line(kind="free_trial", package=None)]}

    assert faults(**rest | {"lines": [free], "draws": [draw(tokens=600, left=400)]}) == {"coverage": 1}
    assert faults(**rest | untouched) == {}
    assert faults(**rest | tpm | {"lines": [free]}) == {}
    assert faults(**rest | tpm | untouched) == {"coverage": 1}


def test_it_finds_a_draw_of_other_tokens_than_the_lines_take():
    assert faults(weights=[]) == {"draws": 1}
    assert faults(draws=[draw(tokens=999, left=1)]) == {"draws": 1}


def test_it_finds_a_chain_that_does_not_hold():
    assert faults(purchases=[purchase(tokens=1001)]) == {"draws": 1}
    assert faults(draws=[draw(left=1)]) == {"draws": 1}


def test_it_finds_a_balance_below_zero():
    assert faults(purchases=[purchase(tokens=900)], draws=[draw(left_before=900, left=-100)]) == {"draws": 1}


# Of 2,000 tokens 1,000 are drawn; later 5 of those are taken back.
WITH_REST = {
    "purchases": [purchase(tokens=2000)],
    "draws": [draw(left_before=2000, left=1000, ran_out_at=None)],
    "lines": COVERED,
    "used": [used(output_tokens=200)],
}
LATER = {"bill": 2, "hour": ELEVEN}
RETURN = draw(is_return=True, tokens=5, left_before=1000, left=1005, ran_out_at=None, **(LATER | {"id": 2}))
TAKEN_BACK = line(id=4, quantity=-5, correction="reversal", **LATER)
GIVEN_BACK = {
    "draws": [*WITH_REST["draws"], RETURN],
    "lines": [*COVERED, TAKEN_BACK],
    "used": [used(input_tokens=595, output_tokens=200)],
}


def test_what_is_given_back_is_what_lines_take_back():
    twice = draw(is_return=True, tokens=5, left_before=1005, left=1010, ran_out_at=None, id=3, bill=2)
    returns = GIVEN_BACK["draws"]

    assert faults(**WITH_REST | GIVEN_BACK) == {}
    assert faults(**WITH_REST | GIVEN_BACK | {"draws": [*returns, twice]}) == {"draws": 1}
    assert faults(**WITH_REST | GIVEN_BACK | {"draws": WITH_REST["draws"]}) == {"draws": 1}


def test_a_package_that_is_over_is_given_nothing_back():
    ended = [purchase(tokens=2000, expires_at=ELEVEN)]

    assert faults(**WITH_REST | GIVEN_BACK | {"purchases": ended}) == {"draws": 1}
    assert faults(**WITH_REST | GIVEN_BACK | {"purchases": ended, "draws": WITH_REST["draws"]}) == {}


def test_it_finds_two_methods_at_once_and_none_in_turn():
    other = period(package=2, method="tpm_package", begins_at=TOMORROW, ends_at=TOMORROW + (TOMORROW - TEN))

    assert faults(periods=[period(), other]) == {}
    assert faults(periods=[period(ends_at=TOMORROW + (ELEVEN - TEN)), other]) == {"methods": 1}
    assert check_packages(Sold(**(RIGHT | {"periods": [period(), other]}))).switched == 1


def test_it_finds_a_package_for_an_hour_that_had_been_closed_without_it():
    assert faults(closings=[row({"hour": TEN, "committed": TEN})]) == {"halves": 1}
    assert faults(closings=[row({"hour": TEN - dt.timedelta(hours=1), "committed": TEN})]) == {}


# --- After the sale --------------------------------------------------------------------------------


def renewal(**changes):
    return row({"package": 1, "is_on": True, "renewed_by": 2, "refused": False}, **changes)


def next_package(**changes):
    """What the renewal of the first bought, from the hour after it was used up on."""
    document = {"package": 2, "order_id": "renewal", "number": "P2", "begins_at": ELEVEN}
    return purchase(**(document | {"committed": ELEVEN} | changes))


def renewed(*renewals, following=None, ends_at=ELEVEN):
    periods = [period(ends_at=ends_at), period(package=2, begins_at=ELEVEN, ends_at=TOMORROW)]
    purchases = [purchase(), following or next_package()]
    return faults(renewals=renewals, purchases=purchases, periods=periods)


def test_it_is_content_with_a_renewal_for_which_nothing_was_ordered():
    assert renewed(renewal()) == {}
    assert renewed() == {"orders": 1}


def test_it_finds_a_package_that_was_due_and_is_not_renewed():
    assert faults(renewals=[renewal(renewed_by=None)]) == {"renewals": 1}
    assert faults(renewals=[renewal(renewed_by=None, is_on=False)]) == {}
    assert faults(renewals=[renewal(renewed_by=None, refused=True)]) == {}


def test_it_finds_a_renewal_by_another_product_twice_or_too_late():
    later = next_package(begins_at=ELEVEN + dt.timedelta(hours=1))

    assert renewed(renewal(), following=next_package(product="large")) == {"renewals": 1}
    assert renewed(renewal(), renewal()) == {"renewals": 1}
    assert renewed(renewal(), following=later) == {"renewals": 1}


def test_a_renewal_begins_later_where_its_first_hour_was_closed():
    assert renewed(renewal(), ends_at=TEN)["coverage"]  # and no renewals
    assert "renewals" not in renewed(renewal(), ends_at=TEN)


def credit(**changes):
    place = {"package": 1, "hour": TEN, "sealed_in": TEN, "ends_at": ELEVEN}
    paid = {"paid": Decimal(20), "quantity": 2000, "left": Decimal(1000)}
    return row(place | paid | {"amount": Decimal(10), "credited": Decimal(10)}, **changes)


def refunded(*credits, journal=({"refunding": "P1"}, {"refunded": "P1"}), **changes):
    ended = {"periods": [period(ends_at=ELEVEN)], "refunds": credits}
    return faults(journal=[*JOURNAL, *journal], **WITH_REST | ended | changes)


def test_it_is_content_with_a_credit_of_what_is_left():
    assert refunded(credit()) == {}
    assert refunded(credit(), journal=[{"refunding": "P1"}]) == {}
    assert refunded(credit(hour=ELEVEN, sealed_in=None)) == {}


def test_it_finds_a_refund_that_is_missing_or_doubled_or_was_not_ordered():
    assert refunded() == {"refunds": 1}
    assert refunded(credit(), credit()) == {"refunds": 1}
    assert refunded(credit(), journal=[]) == {"refunds": 1}
    assert refunded(credit(sealed_in=None)) == {"refunds": 1}


def test_it_finds_a_credit_of_something_else():
    assert refunded(credit(left=Decimal(999))) == {"refunds": 2}
    assert refunded(credit(amount=Decimal("10.00000001"))) == {"refunds": 1}
    assert refunded(credit(), periods=[period()]) == {"refunds": 1}


def test_it_finds_a_draw_on_what_was_credited():
    again = draw(tokens=0, left_before=1000, left=1000, ran_out_at=None, **(LATER | {"id": 2}))

    assert refunded(credit(), draws=[*WITH_REST["draws"], again]) == {"refunds": 1}


def test_what_is_left_of_tpm_are_the_days_that_have_not_begun():
    tpm = {"purchases": [purchase(tokens=None, units=2, price=Decimal(5), quantity=4)], "draws": []}
    journal = [JOURNAL[0] | {"units": 2}, *JOURNAL[1:], {"refunding": "P1"}]
    share = {"quantity": 4, "left": 2, "ends_at": TOMORROW}
    period_of_tpm = [period(method="tpm_package", ends_at=TOMORROW)]

    for hour, expected in ((TEN, {}), (TEN - dt.timedelta(hours=1), {"refunds": 1})):
        found = credit(**share, hour=hour, sealed_in=hour)
        closings = [row({"hour": hour, "committed": ELEVEN})]
        changed = {"refunds": [found], "periods": period_of_tpm, "closings": closings, "lines": COVERED}
        assert faults(journal=journal, **WITH_REST | tpm | changed) == expected


def reversals(*stored, journal):
    return check_packages(Sold(reversals=stored), usage_journal=journal).faults()


def test_it_finds_a_record_that_is_not_reversed_once():
    request, answer = ({name: "1", "customer": "acme"} for name in ("reversing", "reversed"))
    once, twice = (row({"customer": "acme", "event_id": "1", "count": count}) for count in (1, 2))

    assert reversals(once, journal=[request, answer]) == {}
    assert reversals(journal=[request]) == {}
    for stored, journal in (([], [request, answer]), ([twice], [request, answer]), ([once], [])):
        assert reversals(*stored, journal=journal) == {"reversals": 1}
    assert reversals(journal=[request, {"not_reversed": "1", "customer": "acme"}]) == {"reversals": 1}
