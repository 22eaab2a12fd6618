"""The worked tables of docs/packages.md come out."""

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest

from invoices.drilldown.trace.lines import records_of
from invoices.models import ChargeLine, PackageDraw
from invoices.packages.purchase import plan_purchase
from invoices.running.open_hours import read_open_hours
from pricing.rules.kinds import Kind
from tests.builders import THE_HOUR, at, close, price, record, report
from tests.packages import buy, tokens_product, tpm_product
from tests.tables import table
from usage.billing_hours import EPOCH, hour_of

pytestmark = pytest.mark.django_db

RUNNING_OUT = table(
    "packages.md", "call at", "input", "output", "covered input", "covered output", "charged (RMB)"
)
TWO = table("packages.md", "bought at", "tokens", "valid for", "drawn")
FREE = table(
    "packages.md", "call at", "input", "output", "price of input", "price of output", "drawn", "left"
)
MONTHLY = table("packages.md", "package", "bought at", "tokens", "expires")
CALLS = table("packages.md", "call at", "uses", "drawn")
RESERVED = table("packages.md", "reserved", "units", "price of a unit a day", "days", "price (CNY)")
LONG_AGO = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def number(cell):
    return Decimal(cell.replace(",", ""))


def instant(cell):
    """A cell with a day, or one of 10:00 to 10:59, which is THE_HOUR."""
    if cell.startswith("10:"):
        return at(int(cell.removeprefix("10:")))
    return dt.datetime.fromisoformat(cell).replace(tzinfo=dt.UTC)


def test_each_call_is_covered_and_charged_as_the_table_says(acme):
    buy(acme, tokens_product(tokens=1_000_000), now=at(30))
    for place, (when, tokens_in, tokens_out, *_) in enumerate(RUNNING_OUT):
        use = {"input_tokens": int(number(tokens_in)), "output_tokens": int(number(tokens_out))}
        record(report(f"call-{place}", occurred_at=instant(when), **use))

    close()

    covered: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    charged: dict[str, Decimal] = defaultdict(Decimal)
    for line in ChargeLine.objects.all():
        for one in records_of(line=line):
            covered[one.event_id, line.measure] += one.quantity if line.package_id else 0
            charged[one.event_id] += one.amount
    found = [
        (covered[f"call-{place}", "input_tokens"], covered[f"call-{place}", "output_tokens"])
        for place in range(len(RUNNING_OUT))
    ]
    assert found == [tuple(map(number, row[3:5])) for row in RUNNING_OUT]
    assert [charged[f"call-{place}"] for place in range(3)] == [number(row[5]) for row in RUNNING_OUT]
    assert PackageDraw.objects.get().ran_out_at == instant(RUNNING_OUT[-1][0])


def test_of_two_packages_the_one_that_expires_sooner_is_drawn_first(acme):
    packages = [
        buy(
            acme,
            tokens_product(valid_for, int(number(tokens)), validity=int(valid_for.removesuffix(" days"))),
            now=instant(bought_at),
        )
        for bought_at, tokens, valid_for, _ in TWO
    ]
    record(report(input_tokens=1200, output_tokens=0))

    close()

    drawn = dict(PackageDraw.objects.values_list("package", "tokens"))
    assert [drawn[package.pk] for package in packages] == [number(row[3]) for row in TWO]


def test_calls_under_a_free_trial_draw_as_the_table_says(acme):
    package = buy(acme, tokens_product(tokens=1000, services=["SenseChat"]), now=at(1))
    for measure, until in (("input_tokens", 50), ("output_tokens", 40)):
        period = {"begins_at": at(20), "ends_at": at(until)}
        price("SenseChat", measure, "0", kind=Kind.FREE_TRIAL, **period)
    for when, tokens_in, tokens_out, *_ in FREE:
        used = {"input_tokens": int(tokens_in), "output_tokens": int(tokens_out)}
        record(report(when, service="SenseChat", occurred_at=instant(when), **used))

    close()

    drawn: dict[str, int] = defaultdict(int)
    kinds = {}
    for line in ChargeLine.objects.all():
        for one in records_of(line=line):
            drawn[one.event_id] += one.quantity if line.package_id else 0
            kinds[one.event_id, line.measure] = Kind(line.price_kind).label
    assert [
        (kinds[when, "input_tokens"], kinds[when, "output_tokens"], drawn[when]) for when, *_ in FREE
    ] == [(*row[3:5], number(row[5])) for row in FREE]
    assert PackageDraw.objects.get(package=package).left == number(FREE[-1][6])


def test_packages_of_a_month_in_turn_are_drawn_as_one_that_is_reset(acme):
    names = {}
    for name, bought_at, tokens, expires_at in MONTHLY:
        month: dict[str, Any] = {"validity": 1, "validity_unit": "month", "begins_at": LONG_AGO}
        package = buy(acme, tokens_product(name, int(number(tokens)), **month), now=instant(bought_at))
        assert package.expires_at == instant(expires_at)
        names[package.number] = name
    for when, uses, _ in CALLS:
        call = report(when, occurred_at=instant(when), input_tokens=int(number(uses)), output_tokens=0)
        record(call, now=instant(when))

    hours = read_open_hours(customer=acme, after=EPOCH, this_hour=hour_of(instant(CALLS[-1][0])))

    found = [
        "; ".join(f"{names[one.package]}: {one.quantity}" for one in hour.charges if one.quantity)
        for hour in hours
    ]
    assert found == [row[2] for row in CALLS]


def test_a_reservation_of_tpm_is_units_times_price_times_days(acme):
    planned: dict[str, Decimal] = defaultdict(Decimal)
    for what, units, unit_price, days, amount in RESERVED:
        tier, _, part = what.partition(", ")
        if not part:
            assert planned[tier] == number(amount)
            continue
        terms = tpm_product(what, list_price=number(unit_price))
        plan = plan_purchase(customer=acme, terms=terms, units=int(units), periods=int(days), now=THE_HOUR)
        assert plan.amount == number(amount)
        planned[tier] += plan.amount


def test_the_tables_are_read_whole():
    assert [len(rows) for rows in (RUNNING_OUT, TWO, FREE, MONTHLY, CALLS, RESERVED)] == [3, 2, 3, 3, 3, 6]
