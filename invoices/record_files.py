"""A line's records as a file: PostgreSQL writes the CSV, so that no memory is needed for them."""

from typing import IO

from django.db import connection

from invoices.models import ChargeLine
from invoices.tracing import records_of


def write_records(*, line: ChargeLine, to: IO[bytes]) -> None:
    """Write the line's records as CSV, oldest first, with a head."""
    bill = line.bill
    records = records_of(line=line).values(
        "event_id", "occurred_at", "received_at", "reverses", "quantity", "amount"
    )
    text, values = records.query.sql_with_params()
    head = (bill.number, bill.customer_code, line.pk, line.service_name, line.measure)
    priced = (line.unit_price, line.unit_size)
    # psycopg's own cursor, so Django's errors have to be asked for.
    with (
        connection.wrap_database_errors,
        connection.cursor() as cursor,
        cursor.copy(_COPY.format(text), (*head, *priced, *values)) as copy,
    ):
        for block in copy:
            to.write(block)


def _cell(text: str) -> str:
    """Mark what a spreadsheet would take for a formula as text."""
    return (
        f"CASE WHEN left({text}, 1) IN ('=', '+', '-', '@', E'\\t', E'\\r') THEN '''' ELSE '' END || {text}"
    )


# Only names of our own columns are put into the text.
_INSTANT = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
_COPY = f"""COPY (
SELECT line.bill, line.customer, line.id AS charge_line, {_cell("line.service")} AS service,
       line.measure AS billing_item, {_cell("event_id")} AS event_id,
       {_INSTANT.format("occurred_at")} AS occurred_at, {_INSTANT.format("received_at")} AS received_at,
       {_cell("reverses")} AS reverses, quantity, trim_scale(line.unit_price) AS unit_price_rmb,
       line.unit_size, trim_scale(amount) AS amount_rmb
  FROM (VALUES (%s::text, %s::text, %s::bigint, %s::text, %s::text, %s::numeric, %s::bigint))
       AS line (bill, customer, id, service, measure, unit_price, unit_size),
       ({{}}) AS traced
 ORDER BY traced.occurred_at, traced.event_id
) TO STDOUT WITH (FORMAT csv, HEADER)"""  # noqa: S608
