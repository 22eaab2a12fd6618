"""Usage x prices, in SQL: at which prices the records of an hour are charged.

The records are grouped first, by customer, service, hour of usage and *price interval*; prices are joined to
the few groups that are left. A price interval is the time between two changes of prices, so one instant of it
stands for all. Of the prices in force at that instant the customer's own comes before everybody's, then a
free trial before a limited-time offer before a list price (design, section 4).
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import connection

from pricing.rules.kinds import Kind
from pricing.rules.measures import ORDER, PARTS_OF, TOKEN_MEASURES, WHOLE_OF, Measure
from pricing.rules.precedence_sql import price_in_force_sql
from sensenova_billing.lib.database.statements import load_statement, load_template
from usage.models import HOUR

SUMS = ", ".join(f"coalesce(sum({measure}), 0) AS {measure}" for measure in Measure)
SUMS_OF_RECORD = ", ".join(f"coalesce(sum(record.{measure}), 0) AS {measure}" for measure in Measure)
OF_RECORD = ", ".join(f"coalesce(record.{measure}, 0) AS {measure}" for measure in Measure)
# What was used of each measure, as (measure, quantity, whole, is_part); what is no part is its own whole.
MEASURED = ", ".join(
    f"('{measure}', used.{measure}, '{WHOLE_OF.get(measure, measure)}', {str(measure in WHOLE_OF).lower()})"
    for measure in Measure
)
# Of a whole, what is left beside the parts that are charged at their own prices: the parts among the rows.
NET_QUANTITY = (
    "quantity - CASE WHEN is_part THEN 0 "
    "ELSE coalesce(sum(quantity) FILTER (WHERE is_part) OVER (PARTITION BY place, whole), 0) END"
)
_USAGE_HOUR = "date_trunc('hour', occurred_at, 'UTC')"
_GROUP = load_template("group_records.sql", beside=__file__)
_GROUPED = load_template("grouped_usage.sql", beside=__file__)
_LATE = _GROUP.substitute(
    usage_hour=_USAGE_HOUR,
    sums=SUMS,
    when="<",
    intervals=f", {_USAGE_HOUR}, width_bucket(occurred_at, %(instants)s::timestamptz[])",
)


def grouped_usage(*, changes: int) -> str:
    """Return the query for the hour's records in groups, where prices change so many times within the hour.

    Late records are grouped apart. Of the others PostgreSQL knows how few groups they make only if these do
    not depend on an expression over their times, unless that is true or false; else it would sort them all.
    """
    intervals = "".join(
        f", occurred_at >= (%(changes)s::timestamptz[])[{place}]" for place in range(1, changes + 1)
    )
    punctual = _GROUP.substitute(
        usage_hour="%(hour)s::timestamptz", sums=SUMS, when=">=", intervals=intervals
    )
    return _GROUPED.substitute(punctual=punctual, late=_LATE)


def free_usage_sql(usage: str, *, instant: str) -> str:
    """Return a query for the usage in this relation all of whose tokens are free because of trials."""
    return load_statement(
        "free_usage.sql",
        beside=__file__,
        usage=usage,
        instant=instant,
        free_trial=Kind.FREE_TRIAL,
        tokens=", ".join(f"'{measure}'" for measure in TOKEN_MEASURES),
        price_in_force=price_in_force_sql(
            item="item.id", customer="tried.customer_id", instant=f"tried.{instant}"
        ),
    )


def _items(measure: Measure) -> str:
    return ", ".join(str(ORDER[one] + 1) for one in (measure, *PARTS_OF.get(measure, ())))


def _net(measure: Measure) -> str:
    return " - ".join(f"reversal.{one}" for one in (measure, *PARTS_OF.get(measure, ())))


# The hour's reversals, as a query and as a table of the closing. Where Citus distributes records, a statement
# that joins them with prices and bills would be taken apart.
READ_REVERSALS = load_statement("reversals_here.sql", beside=__file__, of_record=OF_RECORD)
KEPT_REVERSALS = "TABLE pg_temp.reversals_here"
# `$reversals_here` is left open: it is one of these two.
REVERSED = load_statement(
    "reversed_usage.sql",
    beside=__file__,
    reversals_here="$reversals_here",
    free_usage=free_usage_sql("reversals_here", instant="occurred_at"),
    order="ARRAY[{}]".format(", ".join(f"'{measure}'" for measure in Measure)),
    net_items=", ".join(
        f"({ORDER[one] + 1}, {str(one in TOKEN_MEASURES).lower()}, -({_net(one)}))" for one in Measure
    ),
    of_taken=", ".join(
        f"-coalesce(sum(quantity) FILTER (WHERE item IN ({_items(one)})), 0) AS {one}" for one in Measure
    ),
    measures=", ".join(Measure),
    not_taken=", ".join(f"reversal.{one} - coalesce(sum(shares.{one}), 0) AS {one}" for one in Measure),
    reversal_measures=", ".join(f"reversal.{one}" for one in Measure),
    some_not_taken=" OR ".join(f"reversal.{one} <> coalesce(sum(shares.{one}), 0)" for one in Measure),
    any_of_numbered=" OR ".join(f"sum(numbered.{one}) <> 0" for one in Measure),
    sums_of_numbered=", ".join(f"sum(numbered.{one}) AS {one}" for one in Measure),
)
PRICE_INSTANTS = load_statement("price_instants.sql", beside=__file__)
RATED = load_statement(
    "rated_usage.sql",
    beside=__file__,
    reversed_usage=REVERSED,
    measured=MEASURED,
    net_quantity=NET_QUANTITY,
    price_in_force=price_in_force_sql(item="item.id", customer="used.customer_id", instant="used.instant"),
)


def allow_memory() -> None:
    """Let this transaction group records in memory; PostgreSQL would sort them on disk."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('work_mem', %s, true)", [settings.CLOSING_WORK_MEM])


def rating_parameters(
    *,
    hour: dt.datetime,
    customers: list[int] | None = None,
    price_instants: Sequence[dt.datetime] | None = None,
) -> dict[str, Any]:
    """Return what `consumed` and RATED need for one hour, of everybody or of some customers.

    `price_instants` are those at which prices change, at least up to the end of the hour, if they are known.
    """
    if price_instants is None:
        with connection.cursor() as cursor:
            cursor.execute(PRICE_INSTANTS, {"before": hour + HOUR})
            (price_instants,) = cursor.fetchone()
    instants = [instant for instant in price_instants if instant < hour + HOUR]
    changes = [instant for instant in instants if instant > hour]
    return {"hour": hour, "customers": customers, "instants": instants, "changes": changes}
