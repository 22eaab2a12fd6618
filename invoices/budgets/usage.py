"""What budgets' windows have of bills and of open hours.

A budget of a value in the metadata of calls takes closed hours as they are summed up by metadata, minutes
after they close. Until then, and in open hours, its calls cost what their prices say; of usage that a package
covers in part no more than what the customer is charged for all calls of the service.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from django.db import connection
from django.db.models import Exists, Min, OuterRef, QuerySet

from invoices.models import ChargeLine, Correction, HourlyBill, MetadataSum
from invoices.rating.usage_sql import MEASURED, NET_QUANTITY, SUMS_OF_RECORD, rating_parameters
from invoices.running.open_hours import OpenCharges, read_open_charges
from pricing.rules.amounts import exact_sum
from pricing.rules.precedence_sql import price_in_force_sql
from sensenova_billing.lib.database.statements import load_statement
from usage.billing_hours import EPOCH, hour_of, last_closed_hour
from usage.models import HOUR, BillingHour, BudgetUse

# Amounts by hour and service, of one customer or of its calls with a value in their metadata.
Amounts = dict[tuple[dt.datetime, int], Decimal]
Calls = tuple[int, str, str]  # a customer, a name, a value
Charged = tuple[int, dt.datetime, int, str]  # a customer, an hour, a service, a measure


class Usage(NamedTuple):
    """How far a window is used, of it what is on bills sealed up to an hour; as of an instant."""

    used: Decimal
    billed: Decimal
    billed_through: dt.datetime
    as_of: dt.datetime


def read_usage(
    *, uses: Sequence[BudgetUse], now: dt.datetime
) -> tuple[dict[int, Usage], dict[int, dt.datetime]]:
    """Return the usage of each of these windows.

    And for customers with open hours that were summed up before, the instant up to which all usage is in it.
    """
    closed = last_closed_hour() or EPOCH
    summed = _last_summed_hour(closed) if any(use.budget.metadata_name for use in uses) else closed
    customers = {use.budget.customer_id for use in uses}
    hours = read_open_charges(customers=customers, after=closed, this_hour=hour_of(now))
    summed_up = {
        one: min(instants)
        for one, its in hours.items()
        if (instants := [hour.as_of for hour in its if hour.as_of])
    }
    through = {use.pk: summed if use.budget.metadata_name else closed for use in uses}
    # Hours with very many records are not read more often than they are summed up.
    stale = [use for use in uses if not _is_current(use, through[use.pk], summed_up)]
    billed = _billed(stale, through)
    of_customers = {one: _by_hour_and_service(its) for one, its in hours.items()}
    of_calls = _open_amounts_of_calls(stale, hours, closed=closed, summed=summed, this_hour=hour_of(now))
    found = {use.pk: Usage(use.used, use.billed, through[use.pk], use.as_of or now) for use in uses}
    for use in stale:
        budget = use.budget
        calls = (budget.customer_id, budget.metadata_name, budget.metadata_value)
        amounts = of_calls.get(calls, {}) if budget.metadata_name else of_customers[budget.customer_id]
        so_far = exact_sum((use.billed, billed.get(use.pk, Decimal(0))))
        used = exact_sum((so_far, *_in_window(use, amounts)))
        as_of = min(now, summed_up.get(budget.customer_id, now))
        found[use.pk] = Usage(used, so_far, through[use.pk], as_of)
    return found, summed_up


def _is_current(use: BudgetUse, through: dt.datetime, summed_up: Mapping[int, dt.datetime]) -> bool:
    as_of = summed_up.get(use.budget.customer_id)
    return (
        bool(use.budget.metadata_name)
        and use.billed_through == through
        and as_of is not None
        and use.as_of is not None
        and use.as_of >= as_of
    )


def _last_summed_hour(closed: dt.datetime) -> dt.datetime:
    """Return the last hour up to which all closed ones are summed up by metadata."""
    waiting = BillingHour.objects.exclude(Exists(MetadataSum.objects.filter(pk=OuterRef("pk"))))
    first: dt.datetime | None = waiting.filter(hour__lte=closed).aggregate(first=Min("hour"))["first"]
    return closed if first is None else first - HOUR


def _billed(uses: Sequence[BudgetUse], through: Mapping[int, dt.datetime]) -> dict[int, Decimal]:
    """Return what later bills have of each window than those that were added up before."""
    new = [use.pk for use in uses if use.billed_through != through[use.pk]]
    if not new:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_SUM_BILLS, {"uses": new, "through": [through[pk] for pk in new]})
        return dict(cursor.fetchall())


def _by_hour_and_service(hours: Iterable[OpenCharges]) -> Amounts:
    amounts: defaultdict[tuple[dt.datetime, int], list[Decimal]] = defaultdict(list)
    for hour in hours:
        for charge in hour.charges:
            amounts[hour.hour, charge.service_id].append(charge.amount)
    return {key: exact_sum(its) for key, its in amounts.items()}


def _in_window(use: BudgetUse, amounts: Amounts) -> Iterable[Decimal]:
    service_id = use.budget.service_id
    for (hour, service), amount in amounts.items():
        if hour >= use.begins_at and service_id in (None, service):
            yield amount


def _open_amounts_of_calls(
    uses: Sequence[BudgetUse],
    hours: Mapping[int, Sequence[OpenCharges]],
    *,
    closed: dt.datetime,
    summed: dt.datetime,
    this_hour: dt.datetime,
) -> dict[Calls, Amounts]:
    """Return what calls cost, by their metadata, in open hours and in those that are not summed up yet."""
    budgets = [use.budget for use in uses if use.budget.metadata_name]
    customers = {budget.customer_id for budget in budgets}
    bills = HourlyBill.objects.filter(customer__in=customers, sealed_in__gt=summed, sealed_in__lte=closed)
    scanned = [(one, hour.hour) for one in customers for hour in hours[one]]
    if summed < closed:
        scanned += bills.order_by().values_list("customer_id", "hour_id")
    if not scanned:
        return {}
    most = _most_charged(hours) | (_most_billed(bills) if summed < closed else {})
    watched = {(one.customer_id, one.metadata_name, one.metadata_value) for one in budgets}
    found: defaultdict[Calls, defaultdict[tuple[dt.datetime, int], list[Decimal]]]
    found = defaultdict(lambda: defaultdict(list))
    for customer, name, value, service, hour, measure, amount in _rows(watched, scanned, this_hour):
        charged = min(amount, most.get((customer, hour, service, measure), amount))
        found[customer, name, value][hour, service].append(charged)
    return {calls: {key: exact_sum(its) for key, its in by.items()} for calls, by in found.items()}


def _rows(
    watched: Collection[Calls], scanned: Sequence[tuple[int, dt.datetime]], this_hour: dt.datetime
) -> list[tuple[int, str, str, int, dt.datetime, str, Decimal]]:
    customers, names, values = zip(*watched, strict=True)
    scanned_customers, scanned_hours = zip(*scanned, strict=True)
    parameters = {
        "customers": list(customers),
        "names": list(names),
        "values": list(values),
        "scanned_customers": list(scanned_customers),
        "scanned_hours": list(scanned_hours),
        "instants": rating_parameters(hour=this_hour)["instants"],
    }
    with connection.cursor() as cursor:
        cursor.execute(_SUM_OPEN, parameters)
        rows: list[tuple[int, str, str, int, dt.datetime, str, Decimal]] = cursor.fetchall()
    return rows


def _most_charged(hours: Mapping[int, Sequence[OpenCharges]]) -> dict[Charged, Decimal]:
    """Return what open hours are charged for usage that packages cover, as far as they do not."""
    return _uncovered(
        (customer, hour.hour, charge.service_id, charge.measure, bool(charge.package), charge.amount)
        for customer, its in hours.items()
        for hour in its
        for charge in hour.charges
        if not charge.correction
    )


def _most_billed(bills: QuerySet[HourlyBill]) -> dict[Charged, Decimal]:
    """Return the same of bills."""
    lines = ChargeLine.objects.filter(bill__in=bills, correction=Correction.NONE).order_by()
    return _uncovered(
        lines.values_list(
            "bill__customer_id", "bill__hour_id", "service_id", "measure", "package_id", "amount"
        )
    )


def _uncovered(
    charges: Iterable[tuple[int, dt.datetime, int, str, object, Decimal]],
) -> dict[Charged, Decimal]:
    amounts: defaultdict[Charged, list[Decimal]] = defaultdict(list)
    covered = set()
    for customer, hour, service, measure, package, amount in charges:
        key = customer, hour, service, measure
        amounts[key].append(amount)
        if package:
            covered.add(key)
    return {key: exact_sum(amounts[key]) for key in covered}


_SUM_BILLS = load_statement("sum_bills.sql", beside=__file__)
_SUM_OPEN = load_statement(
    "sum_open_metadata.sql",
    beside=__file__,
    sums_of_record=SUMS_OF_RECORD,
    measured=MEASURED,
    net_quantity=NET_QUANTITY,
    price_in_force=price_in_force_sql(item="item.id", customer="used.customer_id", instant="used.instant"),
)
