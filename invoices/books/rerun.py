"""Rating a closed hour again, by the closing's own statement: it must give the lines that are there."""

import datetime as dt

from django.db import connection, transaction

from invoices.books.compare import FIRST, Findings
from invoices.rating.charges_sql import CHARGED, billed_usage, charging_parameters
from sensenova_billing.lib.database.statements import load_statement, load_template


@transaction.atomic
def repeat_rating(*, hour: dt.datetime, found: Findings) -> None:
    """Add a finding for each line that differs if all bills sealed with this hour are made again.

    Hours that need archived records are left out: the closing's statement reads the table only.
    """
    with connection.cursor() as cursor:
        cursor.execute(_NEEDS_ARCHIVED, {"hour": hour})
        ((needs_archived,),) = cursor.fetchall()
        if needs_archived:
            return
        cursor.execute(_RELEASED, [hour, hour])
        parts = [(hour, None), *cursor.fetchall()]
        for billed, customers in parts:
            parameters = charging_parameters(hour=billed, sealed_in=hour, customers=customers)
            usage, coverage = billed_usage(values=parameters)
            statement = _DIFFERENCES.substitute(consumed=usage, charged_lines=CHARGED, columns=_COLUMNS)
            cursor.execute(statement, {**parameters, **coverage, "first": FIRST})
            rows = cursor.fetchall()
            for difference, code, number, line in (row[:4] for row in rows):
                found.add("rated again", f"{difference}: {line}", hour=billed, customer=code, bill=number)
            if rows:
                found.count += rows[0][4] - len(rows)


_RELEASED = """
SELECT hour_id, array_agg(customer_id) FROM invoices_hourlybill
 WHERE sealed_in_id = %s AND hour_id < %s GROUP BY hour_id ORDER BY hour_id
"""
_NEEDS_ARCHIVED = load_statement("needs_archived.sql", beside=__file__)
_COLUMNS = """service_id, usage_hour, billing_item_id, price_id, is_own_price, unit_price, unit_size,
           quantity, correction, corrects_id, rerating_id, package_id"""
_DIFFERENCES = load_template("differing_lines.sql", beside=__file__)
