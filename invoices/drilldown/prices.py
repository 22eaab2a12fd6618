"""Which prices counted for a customer within an hour, and from when until when."""

import datetime as dt
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from django.db.models import Q

from pricing.catalogue.offering import fact_of
from pricing.models import Price
from pricing.rules.kinds import Kind
from pricing.rules.measures import TOKEN_MEASURES, Measure
from pricing.rules.precedence import PriceFact, instants_of, price_in_force
from usage.models import HOUR


class Interval(NamedTuple):
    """A half-open interval of time."""

    begin: dt.datetime
    end: dt.datetime


# By measure, the intervals of an hour in which a price is in force, each with that price.
PricesWithinHour = dict[str, list[tuple[Interval, PriceFact]]]


def prices_within_hour(
    *, customer_id: int, service_id: int, measures: Iterable[Measure], hour: dt.datetime
) -> PricesWithinHour:
    """Return the prices of these measures that counted for the customer, by measure."""
    found = (
        Price.objects.filter(
            is_for(customer_id),
            billing_item__service=service_id,
            billing_item__measure__in=measures,
            begins_at__lt=hour + HOUR,
        )
        .exclude(ends_at__lte=hour)
        .select_related("billing_item")
    )
    by_measure: dict[str, list[PriceFact]] = {}
    for price in found:
        by_measure.setdefault(price.billing_item.measure, []).append(fact_of(price))
    return {
        measure: _in_intervals(prices, hour=hour, customer_id=customer_id)
        for measure, prices in by_measure.items()
    }


def free_intervals(*, customer_id: int, service_id: int, hour: dt.datetime) -> list[Interval]:
    """Return when in the hour a free trial was the price of every token item of the service."""
    prices = prices_within_hour(
        customer_id=customer_id, service_id=service_id, measures=TOKEN_MEASURES, hour=hour
    )
    counting = [one for its in prices.values() for one in its]
    edges = sorted({instant for interval, _ in counting for instant in interval})
    return [
        Interval(begin, end)
        for begin, end in pairwise(edges)
        if {price.kind for within, price in counting if within.begin <= begin < within.end}
        == {Kind.FREE_TRIAL}
    ]


def is_for(customer_id: int) -> Q:
    """The condition that a price is for this customer or for everybody."""
    return Q(customer=None) | Q(customer=customer_id)


def within(intervals: Iterable[Interval]) -> Q:
    """The condition that a record lies in one of these intervals; of none, that it is no record."""
    instants = Q()
    for begin, end in intervals:
        instants |= Q(occurred_at__gte=begin, occurred_at__lt=end)
    return instants or Q(event_id="")  # no record has an empty id


def _in_intervals(
    prices: list[PriceFact], *, hour: dt.datetime, customer_id: int
) -> list[tuple[Interval, PriceFact]]:
    """Return the intervals of the hour in which one of these prices is in force, each with that price."""
    inner = (instant for instant in instants_of(prices) if hour < instant < hour + HOUR)
    intervals = [Interval(*part) for part in pairwise([hour, *inner, hour + HOUR])]
    found = [(one, price_in_force(prices, customer=customer_id, at=one.begin)) for one in intervals]
    return [(interval, price) for interval, price in found if price is not None]
