"""The checker of the books finds each kind of fault where there is one."""

import datetime as dt
from decimal import Decimal
from types import SimpleNamespace

from tests.faults.books import Written, audit

TEN = dt.datetime(2026, 11, 23, 10, tzinfo=dt.UTC)
ELEVEN, TWELVE = TEN + dt.timedelta(hours=1), TEN + dt.timedelta(hours=2)


def row(first, **changes):
    return SimpleNamespace(**(first | changes))


def hour(hour, previous=None, committed=None):
    return row({"hour": hour, "previous": previous, "committed": committed})


def records(**changes):
    """Three calls, of 2,000 tokens in and 500 out together."""
    group = {"customer": 1, "hour": TEN, "usage_hour": TEN, "service": 7, "count": 3}
    return row(group | {"input_tokens": 2000, "output_tokens": 500, "input_characters": 0}, **changes)


def line(measure="input_tokens", quantity=2000, amount="0.08", **changes):
    place = {
        "id": 1,
        "bill": 1,
        "customer": 1,
        "hour": TEN,
        "usage_hour": TEN,
        "service": 7,
        "correction": "",
    }
    price = {"unit_price": Decimal("0.04"), "unit_size": 1000, "records": 3}
    sold = {"measure": measure, "quantity": Decimal(quantity), "amount": Decimal(amount)}
    return row(place | price | sold, **changes)


def bill(**changes):
    first = {"id": 1, "number": "1", "customer": 1, "hour": TEN, "records": 3, "amount": Decimal("0.1")}
    return row(first, **changes)


def seal(hour=TEN, **changes):
    return row({"hour": hour, "bills": 1, "lines": 2, "records": 3, "amount": Decimal("0.1")}, **changes)


LINES = (line(), line("output_tokens", 500, "0.02", id=2))
RIGHT = {"hours": [hour(TEN)], "records": [records()], "bills": [bill()], "lines": LINES, "seals": [seal()]}


def faults(**changes):
    return audit(Written(**(RIGHT | changes))).faults()


def test_it_is_content_with_right_books():
    books = audit(Written(**RIGHT))

    assert books.faults() == {}
    assert (books.hours, books.stored, books.billed, books.late) == (1, 3, 3, 0)


def test_it_finds_a_record_that_is_in_no_line():
    found = faults(records=[records(count=4, input_tokens=2001)])

    assert found == {"unbilled": 1, "quantities": 1}


def test_it_finds_the_records_of_a_customer_without_a_bill():
    assert faults(records=[records(), records(customer=2)]) == {"unbilled": 3, "quantities": 2}


def test_it_finds_records_of_an_hour_before_the_first_that_was_closed():
    assert faults(records=[records(), records(hour=TEN - (ELEVEN - TEN))])["unbilled"] == 3


def test_it_finds_a_record_that_is_billed_twice():
    assert faults(records=[records(count=2, output_tokens=400)]) == {"doubled": 1, "quantities": 1}


def test_it_finds_a_record_that_waits_in_an_open_hour():
    assert faults(records=[records(), records(hour=ELEVEN)]) == {"waiting": 3}


def test_it_finds_other_quantities():
    assert faults(records=[records(input_tokens=1999)]) == {"quantities": 1}


def test_it_finds_an_amount_that_does_not_come_out():
    cheaper = (line(amount="0.07999999"), LINES[1])

    assert faults(lines=cheaper) == {"amounts": 2}


def test_it_finds_a_bill_of_other_records():
    assert faults(bills=[bill(records=2)]) == {"amounts": 1, "seals": 1}


def test_it_finds_a_gap():
    hours = [hour(TEN), hour(TWELVE, previous=ELEVEN)]

    assert faults(hours=hours, seals=[seal(), seal(TWELVE, bills=0, lines=0, records=0, amount=0)]) == {
        "gaps": 1
    }


def test_it_finds_an_hour_that_denies_the_one_before():
    hours = [hour(TEN), hour(ELEVEN)]

    assert faults(hours=hours, seals=[seal(), seal(ELEVEN, bills=0, lines=0, records=0, amount=0)]) == {
        "gaps": 1
    }


def test_it_finds_an_hour_that_was_closed_before_its_end():
    assert faults(hours=[hour(TEN, committed=ELEVEN)]) == {}
    assert faults(hours=[hour(TEN, committed=ELEVEN - dt.timedelta(microseconds=1))]) == {"early": 1}


def test_it_finds_an_hour_without_a_seal():
    assert faults(seals=[]) == {"seals": 1}


def test_late_records_are_right_and_counted():
    late = {"usage_hour": TEN - (ELEVEN - TEN)}
    lines = [line(**late), line("output_tokens", 500, "0.02", **late)]

    books = audit(Written(**(RIGHT | {"records": [records(**late)], "lines": lines})))

    assert (books.faults(), books.late) == ({}, 3)


def test_corrections_are_amounts_and_no_records():
    correction = line(quantity=-100, amount="-0.004", records=1, correction="price", id=3)
    changed = {"bills": [bill(amount=Decimal("0.096"))], "seals": [seal(amount=Decimal("0.096"), lines=3)]}

    assert faults(lines=[*LINES, correction], **changed) == {}


def test_reversals_are_records_of_their_bill_and_corrections():
    taken_back = line(quantity=-100, amount="-0.004", records=1, correction="reversal", id=3)
    total = {"amount": Decimal("0.096"), "records": 4}
    changed = {"bills": [bill(**total)], "seals": [seal(lines=3, **total)], "lines": [*LINES, taken_back]}
    reversal = row({"customer": 1, "hour": TEN, "count": 1})

    assert faults(**changed, reversals=[reversal]) == {}
    assert faults(**changed) == {"amounts": 1}


def test_a_parked_customers_hour_is_counted_and_no_fault():
    parked = [row({"customer": 2, "hour": TEN})]

    books = audit(Written(**(RIGHT | {"records": [records(), records(customer=2)], "parked": parked})))

    assert (books.faults(), books.parked) == ({}, 3)


def divided(count):
    return row({"customer": 1, "hour": TEN, "usage_hour": TEN, "service": 7, "count": count})


def test_a_call_that_is_divided_between_packages_is_on_several_lines():
    parts = [
        line(quantity=1500, amount="0.06", records=2),
        line(quantity=500, amount="0.02", records=2, id=3),
    ]
    changed = {"lines": [*parts, LINES[1]], "seals": [seal(lines=3)]}

    assert faults(**changed, divided=[divided(1)]) == {}
    assert faults(**changed) == {"doubled": 1, "amounts": 1}


def test_a_divided_call_hides_no_record_that_is_missing_or_doubled():
    missing = {"records": [records(count=5)], "divided": [divided(1)]}

    assert faults(**missing) == {"unbilled": 1}
    assert faults(records=[records(count=1)], divided=[divided(1)]) == {"doubled": 1, "amounts": 1}
