"""How much of the tokens that customers with packages used their packages covered."""

import datetime as dt
from decimal import Decimal
from typing import NamedTuple

from django.db import connection

from pricing.rules.measures import TOKEN_MEASURES
from sensenova_billing.lib.database.statements import load_statement

COVERAGE_DAYS = 30
_COVERAGE = load_statement("coverage.sql", beside=__file__)


class Coverage(NamedTuple):
    """The tokens that a customer used, and those of them that packages covered."""

    customer_code: str
    customer_name: str
    used: Decimal
    covered: Decimal


def read_coverage(*, now: dt.datetime, days: int = COVERAGE_DAYS) -> list[Coverage]:
    """Return the coverage of each customer that had a package in these days, the largest first."""
    since = now - dt.timedelta(days=days)
    with connection.cursor() as cursor:
        cursor.execute(_COVERAGE, {"since": since, "now": now, "measures": list(TOKEN_MEASURES)})
        return [Coverage(*row) for row in cursor.fetchall()]


def percent_text(part: Decimal | int, whole: Decimal | int) -> str:
    """Return e.g. `33.3 %`; a dash where there is nothing to take it of."""
    return f"{Decimal(part) * 100 / Decimal(whole):.1f} %" if whole > 0 else "-"
