"""One statement that turns an hour into bills: charge, check, park or bill, and return the totals.

Each customer's part is checked by itself. A part that its lines do not cover exactly, or that looks wrong, is
parked with the reason; all others are billed. A released hour is checked again, but not against the bounds: a
person has approved it.
"""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from string import Template
from typing import Any

from django.conf import settings
from django.db import connection

from invoices.models import Correction
from invoices.rating.charges_sql import CHARGED_IN_CLOSING, charging_parameters
from invoices.rating.coverage import WHOLE_HOUR, Coverage, any_packages, find_coverage, plans_without
from invoices.rating.coverage_sql import COVERED_AS_REACHED, UNCOVERED, WEIGHTS, demand_sql
from invoices.rating.overruns import OVERRUNS
from invoices.rating.usage_sql import READ_REVERSALS, SUMS, grouped_usage
from pricing.rules.measures import WHOLES, whole_and_parts
from sensenova_billing.lib.database.statements import load_statement

# With fewer bills in the last days there is no usual amount to compare with.
BILLS_TO_KNOW_WHAT_IS_USUAL = 24
DAYS_TO_LOOK_BACK = 7


class NotConserved(Exception):
    """The bills and the parked hours do not hold exactly what the records hold; the hour stays open."""


@dataclass(frozen=True)
class Billed:
    """What was made of an hour, or of some customers' parked part of it."""

    records: int
    bills: int
    lines: int
    parked: int
    amount: Decimal


def bill_hour(
    *, hour: dt.datetime, sealed_in: dt.datetime, now: dt.datetime, released: list[int] | None = None
) -> Billed:
    """Bill or park every customer's part of the hour, or bill these customers' released parts of it."""
    values = charging_parameters(hour=hour, sealed_in=sealed_in, customers=released)
    bounds = _bounds(hour=hour, apply=released is None)
    with connection.cursor() as cursor:
        cursor.execute(_GROUP.substitute(grouped=grouped_usage(changes=len(values["changes"]))), values)
        usage, coverage = _WITHOUT_PACKAGES, Coverage()
        if any_packages(customers=released):
            usage, coverage = _COVERED_TABLES, find_coverage(grouped="", values=values)
            values |= coverage.parameters()
            with plans_without(*WHOLE_HOUR):
                cursor.execute(_COVER, values)
        cursor.execute(_BILL.substitute(consumed=usage), {**values, **bounds, "now": now})
        row = dict(zip([column.name for column in cursor.description], cursor.fetchone(), strict=True))
        if coverage.packages or coverage.returned:
            with plans_without("nestloop"):
                cursor.execute(_DRAW, values)
            cursor.execute(_END_PACKAGES, values)
    for what in ("records", "lines", "quantity", "amount"):
        if row[f"{what}_there"] != row[f"{what}_here"]:
            raise NotConserved(
                f"{what.capitalize()} of the hour {hour:%Y-%m-%dT%H:%MZ}: {row[f'{what}_there']} to bill, "
                f"{row[f'{what}_here']} billed or parked."
            )
    return Billed(**{name: row[name] for name in ("records", "bills", "lines", "parked", "amount")})


def _bounds(*, hour: dt.datetime, apply: bool) -> dict[str, Any]:
    return {
        "bounds": apply,
        "most_overrun": settings.PARK_ABOVE_QUOTA_SHARE,
        "most_amount": settings.PARK_ABOVE_AMOUNT,
        "most_lines": settings.PARK_ABOVE_LINES,
        "times_usual": settings.PARK_ABOVE_TIMES_USUAL,
        "unusual_from": settings.PARK_UNUSUAL_FROM,
        "usual_since": hour - dt.timedelta(days=DAYS_TO_LOOK_BACK),
    }


# What is billed of a whole, with the parts that are charged at their own prices.
_BILLED = ", ".join(
    "sum(quantity) FILTER (WHERE measure IN ({}) AND rerating_id IS NULL) AS {}".format(
        ", ".join(f"'{one}'" for one in whole_and_parts(measure)), measure
    )
    for measure in WHOLES
)
_DIFFERS = "\n".join(
    f"""WHEN coalesce(consumed.{measure}, 0) <> coalesce(owed.{measure}, 0)
            THEN format('{measure.label}: %%s consumed, %%s billed.', coalesce(consumed.{measure}, 0),
                        coalesce(owed.{measure}, 0))"""
    for measure in WHOLES
)
_GROUP = Template(
    load_statement("group_usage.sql", beside=__file__, grouped="$grouped", reversals_here=READ_REVERSALS)
)
_COVER = load_statement("cover_usage.sql", beside=__file__, covered=COVERED_AS_REACHED, overruns=OVERRUNS)
_DRAW = load_statement("draw_packages.sql", beside=__file__, weights=WEIGHTS, demand=demand_sql("covered"))
_END_PACKAGES = load_statement("end_packages.sql", beside=__file__)
_COVERED_TABLES = "consumed AS (TABLE pg_temp.covered), overruns AS (TABLE pg_temp.overruns)"
_WITHOUT_PACKAGES = ", ".join([UNCOVERED, load_statement("no_overruns.sql", beside=__file__)])
_BILL = Template(
    load_statement(
        "bill_hour.sql",
        beside=__file__,
        consumed="$consumed",
        charged_lines=CHARGED_IN_CLOSING,
        sums=SUMS,
        billed=_BILLED,
        differs=_DIFFERS,
        bills_to_know_what_is_usual=str(BILLS_TO_KNOW_WHAT_IS_USUAL),
        none=Correction.NONE,
    )
)
