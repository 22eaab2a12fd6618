"""The lines of an hour's bills in SQL: rated usage, and corrections of lines billed before.

A *reversal* credits records to the line that billed them, at the price now effective for that line. A
*re-rating* credits the rest of a line and rebills it at another price, which is then the effective one. Where
both fall on one bill, the reversal comes first.

"Before" is the order in which bills are made: by the hour with whose closing they are sealed, then by their
own hour. A later run for the same hour therefore gives the same lines.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from string import Template
from typing import Any, NamedTuple

from django.db import connection

from invoices.models import Correction
from invoices.rating.coverage import Coverage, any_packages, find_coverage, stored_coverage
from invoices.rating.coverage_sql import COVERED, UNCOVERED, WEIGHTS, demand_sql
from invoices.rating.usage_sql import (
    KEPT_REVERSALS,
    RATED,
    READ_REVERSALS,
    grouped_usage,
    rating_parameters,
)
from pricing.rules.kinds import Kind
from sensenova_billing.lib.database.statements import load_statement

_CORRECTIONS = {correction.name.lower(): str(correction.value) for correction in Correction}
_EFFECTIVE_PRICE = load_statement("price_after_rerating.sql", beside=__file__, **_CORRECTIONS)
RERATED = load_statement(
    "rerated_lines.sql", beside=__file__, effective_price=_EFFECTIVE_PRICE, **_CORRECTIONS
)
_CHARGED = Template(
    load_statement(
        "charged_lines.sql",
        beside=__file__,
        rated_usage=RATED,
        effective_price=_EFFECTIVE_PRICE,
        rerated_lines=RERATED,
        **_CORRECTIONS,
    )
)
CHARGED = _CHARGED.substitute(reversals_here=READ_REVERSALS)
CHARGED_IN_CLOSING = _CHARGED.substitute(reversals_here=KEPT_REVERSALS)
_CHARGES = Template(
    load_statement(
        "charges_so_far.sql",
        beside=__file__,
        consumed="$consumed",
        charged_lines=CHARGED,
        weights=WEIGHTS,
        demand_of_consumed=demand_sql("consumed"),
        none=Correction.NONE,
    )
)


class KnownOfHour(NamedTuple):
    """What is known of a customer's open hour before it is rated, and so is not read again."""

    price_instants: list[dt.datetime]
    has_packages: bool
    has_reversals: bool


class DrawSoFar(NamedTuple):
    """What an hour that is still open would draw from a Tokens package of so many tokens, as it stands."""

    package_id: int
    bought: int
    left_before: Decimal
    tokens: Decimal
    runs_out: bool

    @property
    def left(self) -> Decimal:
        """What would be left after the hour."""
        return self.left_before - self.tokens


class Charge(NamedTuple):
    """What an hour that is still open would cost for one service and billing item, as it stands."""

    hour: dt.datetime
    service: str
    measure: str
    kind: str
    unit_price: Decimal
    unit_size: int
    records: int
    quantity: Decimal
    amount: Decimal
    correction: str
    package: str = ""  # the number of the package that covers it
    is_own_price: bool = False  # agreed with the customer
    draw: DrawSoFar | None = None  # what the hour draws from that, if it is a Tokens package
    service_id: int = 0

    @property
    def is_free_trial(self) -> bool:
        """Whether it costs nothing because of a free trial; a re-rating may charge for one all the same."""
        return self.kind == Kind.FREE_TRIAL and not self.unit_price


def charging_parameters(
    *,
    hour: dt.datetime,
    sealed_in: dt.datetime | None = None,
    customers: list[int] | None = None,
    price_instants: list[dt.datetime] | None = None,
) -> dict[str, Any]:
    """Return what CHARGED needs for one hour, of everybody or of some, sealed in this hour or a later one."""
    rating = rating_parameters(hour=hour, customers=customers, price_instants=price_instants)
    return {**rating, "sealed_in": sealed_in or hour}


def billed_usage(*, values: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return how `consumed` is defined for an hour that is billed, by its draws, and its values."""
    has_packages = any_packages(customers=values["customers"])
    usage, coverage = _usage(values, stored_coverage, has_packages=has_packages)
    return usage, coverage.parameters()


def _usage(
    values: Mapping[str, Any], coverage_of: Callable[..., Coverage], *, has_packages: bool
) -> tuple[str, Coverage]:
    grouped = f"grouped AS MATERIALIZED ({grouped_usage(changes=len(values['changes']))}),"
    if not has_packages:
        return f"{grouped} {UNCOVERED}", Coverage()
    return f"{grouped} {COVERED}", coverage_of(grouped=grouped, values=values)


def charges_so_far(
    *,
    customer_id: int,
    hour: dt.datetime,
    drawn_before: Mapping[int, Decimal] | None = None,
    known: KnownOfHour | None = None,
) -> list[Charge]:
    """Return what one customer's records of an open hour cost, by the rules by which it will be closed.

    `drawn_before` is what earlier hours that are still open would draw, by package.
    """
    found = charges_of_customers(customers=[customer_id], hour=hour, drawn_before=drawn_before, known=known)
    return found.get(customer_id, [])


def charges_of_customers(
    *,
    customers: list[int],
    hour: dt.datetime,
    drawn_before: Mapping[int, Decimal] | None = None,
    known: KnownOfHour | None = None,
) -> dict[int, list[Charge]]:
    """Return the same of several customers at once, of those with charges."""
    instants = known.price_instants if known else None
    values = charging_parameters(hour=hour, customers=customers, price_instants=instants)
    coverage_of = partial(
        find_coverage,
        drawn_before=drawn_before or {},
        has_reversals=known.has_reversals if known else True,
    )
    has_packages = known.has_packages if known else any_packages(customers=customers)
    usage, coverage = _usage(values, coverage_of, has_packages=has_packages)
    found: dict[int, list[Charge]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_CHARGES.substitute(consumed=usage), {**values, **coverage.parameters()})
        for customer_id, *row in cursor.fetchall():
            found.setdefault(customer_id, []).append(_charge(row, coverage))
    return found


def _charge(row: list[Any], coverage: Coverage) -> Charge:
    service_id, *fields, package_id, bought, drawn = row
    charge = Charge(*fields)._replace(service_id=service_id)
    if drawn is None:
        return charge
    left, runs_out = coverage.left[package_id], package_id in coverage.run_outs
    return charge._replace(draw=DrawSoFar(package_id, bought, left, drawn, runs_out))
