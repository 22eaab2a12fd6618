"""Usage x prices, in SQL: at which prices the records of an hour are charged.

The records are grouped first, by customer, service, hour of usage and *price interval*; prices are joined to
the few groups that are left. A price interval is the time between two changes of prices, so one instant of it
stands for all. Of the prices in force at that instant the customer's own comes before everybody's, then a
free trial before a limited-time offer before a list price (design, section 4).
"""

import datetime as dt
from typing import Any

from django.conf import settings
from django.db import connection

from pricing.rules.kinds import RANK as ranks
from pricing.rules.measures import Measure
from usage.models import HOUR

RANK = " ".join(f"WHEN '{kind}' THEN {place}" for kind, place in ranks.items())
_SUMS = ", ".join(f"sum({measure}) AS {measure}" for measure in Measure)
_SUMS_OF_RECORD = ", ".join(f"sum(record.{measure}) AS {measure}" for measure in Measure)
_MEASURED = ", ".join(f"('{measure}', used.{measure})" for measure in Measure)
_INTERVAL = "width_bucket({}, %(instants)s::timestamptz[])"
_OF_CUSTOMERS = "(%(customers)s::bigint[] IS NULL OR {} = ANY (%(customers)s::bigint[]))"

_GROUP = f"""
    SELECT customer_id, service_id, {{usage_hour}} AS usage_hour, NULL::timestamptz AS billed_in,
           min(occurred_at) AS instant, count(*) AS records, {_SUMS}
      FROM usage_usagerecord
     WHERE billing_hour = %(hour)s AND reverses IS NULL AND occurred_at {{when}} billing_hour
       AND {_OF_CUSTOMERS.format("customer_id")}
     GROUP BY customer_id, service_id {{intervals}}
"""  # noqa: S608
_LATE = _GROUP.format(
    usage_hour="date_trunc('hour', occurred_at, 'UTC')",
    when="<",
    intervals=f", date_trunc('hour', occurred_at, 'UTC'), {_INTERVAL.format('occurred_at')}",
)


def consumed(*, changes: int) -> str:
    """Return the query for the hour's records in groups, where prices change so many times within the hour.

    Late records are grouped apart. Of the others PostgreSQL knows how few groups they make only if these do
    not depend on an expression over their times, unless that is true or false; else it would sort them all.
    """
    intervals = "".join(
        f", occurred_at >= (%(changes)s::timestamptz[])[{place}]" for place in range(1, changes + 1)
    )
    punctual = _GROUP.format(usage_hour="%(hour)s::timestamptz", when=">=", intervals=intervals)
    return f"{punctual} UNION ALL {_LATE}"


# Common table expressions that continue from `consumed`: `reversed`, the hour's reversals, by the hour
# in which what they reverse was billed; `priced`, each group's billing items with the price in force, if
# any; `rated`, quantities at prices.
RATED = f"""reversed AS MATERIALIZED (
    SELECT record.customer_id, record.service_id, date_trunc('hour', record.occurred_at, 'UTC') AS usage_hour,
           original.billing_hour AS billed_in, min(record.occurred_at) AS instant, count(*) AS records,
           {_SUMS_OF_RECORD}
      FROM usage_usagerecord AS record
      JOIN usage_usagerecord AS original
        ON original.customer_id = record.customer_id AND original.event_id = record.reverses
     WHERE record.billing_hour = %(hour)s AND record.reverses IS NOT NULL
       AND {_OF_CUSTOMERS.format("record.customer_id")}
     GROUP BY record.customer_id, record.service_id, usage_hour, original.billing_hour,
              {_INTERVAL.format("record.occurred_at")}
), used AS MATERIALIZED (
    SELECT row_number() OVER () AS place, *
      FROM (SELECT * FROM consumed UNION ALL SELECT * FROM reversed) AS both_kinds
), priced AS MATERIALIZED (
    SELECT used.place, used.customer_id, used.service_id, used.usage_hour, used.billed_in, used.records,
           measured.measure, measured.quantity, item.id AS billing_item_id,
           price.id AS price_id, price.kind, price.unit_price, price.unit_size,
           price.customer_id IS NOT NULL AS is_own_price
      FROM used
     CROSS JOIN LATERAL (VALUES {_MEASURED}) AS measured (measure, quantity)
      LEFT JOIN pricing_billingitem AS item
        ON item.service_id = used.service_id AND item.measure = measured.measure
      LEFT JOIN LATERAL (
           SELECT * FROM pricing_price AS candidate
            WHERE candidate.billing_item_id = item.id
              AND (candidate.customer_id IS NULL OR candidate.customer_id = used.customer_id)
              AND candidate.begins_at <= used.instant
              AND (candidate.ends_at IS NULL OR candidate.ends_at > used.instant)
            ORDER BY candidate.customer_id NULLS LAST, CASE candidate.kind {RANK} END
            LIMIT 1) AS price ON true
     WHERE item.id IS NOT NULL OR measured.quantity <> 0
), rated AS (
    SELECT customer_id, service_id, usage_hour, billed_in, billing_item_id, price_id, measure, kind,
           is_own_price, unit_price, unit_size, sum(records)::bigint AS records, sum(quantity) AS quantity
      FROM priced
     WHERE price_id IS NOT NULL
     GROUP BY customer_id, service_id, usage_hour, billed_in, billing_item_id, price_id, measure, kind,
              is_own_price, unit_price, unit_size
)
"""  # noqa: S608


def allow_memory() -> None:
    """Let this transaction group records in memory; PostgreSQL would sort them on disk."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('work_mem', %s, true)", [settings.CLOSING_WORK_MEM])


def rating_parameters(*, hour: dt.datetime, customers: list[int] | None = None) -> dict[str, Any]:
    """Return what `consumed` and RATED need for one hour, of everybody or of some customers."""
    with connection.cursor() as cursor:
        cursor.execute(_INSTANTS, [hour + HOUR])
        (instants,) = cursor.fetchone()
    changes = [instant for instant in instants if instant > hour]
    return {"hour": hour, "customers": customers, "instants": instants, "changes": changes}


# The instants at which prices change, before the end of the hour.
_INSTANTS = """
SELECT coalesce(array_agg(DISTINCT instant ORDER BY instant), '{}')
  FROM (SELECT begins_at FROM pricing_price UNION SELECT ends_at FROM pricing_price) AS change (instant)
 WHERE instant < %s
"""
