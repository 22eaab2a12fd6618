"""The seal of a closed hour: a hash chain by which a later change of its documents is detected.

A seal is the SHA-256 over the seal of the hour before and over the SHA-256 of each bill that was issued with
the closing, in the order of their numbers, and of each hour that was parked, in the order of the customers.
PostgreSQL computes it where the lines are, so that no memory is needed for them.
"""

import datetime as dt

from django.db import connection

from invoices.models import HourSeal


def seal_of(*, hour: dt.datetime, previous: dt.datetime | None) -> bytes:
    """Return the seal that the hour's documents have as they are now."""
    before = HourSeal.objects.get(pk=previous).sha256 if previous else b""
    with connection.cursor() as cursor:
        cursor.execute(_SEAL, {"hour": hour, "before": bytes(before)})
        (sha256,) = cursor.fetchone()
    return bytes(sha256)


# A value is what PostgreSQL writes for it; what is null is left out.
_INSTANT = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
_SEAL = f"""
WITH bills AS (
    SELECT bill.number, sha256(convert_to(
               concat_ws('|', bill.number, bill.customer_code, bill.customer_name,
                         {_INSTANT.format("bill.hour_id")}, bill.records, bill.amount,
                         {_INSTANT.format("bill.issued_at")}) || E'\\n' ||
               string_agg(
                   concat_ws('|', {_INSTANT.format("line.usage_hour")}, line.service_name, line.measure,
                             line.billing_item_id, line.price_id, line.price_kind, line.is_own_price::int,
                             line.unit_price, line.unit_size, line.records, line.quantity, line.amount,
                             line.correction, line.corrects_id, line.rerating_id) || E'\\n', ''
                   ORDER BY line.usage_hour, line.billing_item_id, line.price_id, line.id), 'UTF8')) AS sha256
      FROM invoices_hourlybill AS bill
      JOIN invoices_chargeline AS line ON line.bill_id = bill.id
     WHERE bill.sealed_in_id = %(hour)s
     GROUP BY bill.id
), parked AS (
    SELECT customer_id, sha256(convert_to(
               concat_ws('|', customer_id, reason, records, amount, {_INSTANT.format("parked_at")}) || E'\\n',
               'UTF8')) AS sha256
      FROM invoices_parkedhour
     WHERE hour_id = %(hour)s
)
SELECT sha256(%(before)s
           || coalesce((SELECT string_agg(sha256, ''::bytea ORDER BY number COLLATE "C") FROM bills), '')
           || coalesce((SELECT string_agg(sha256, ''::bytea ORDER BY customer_id) FROM parked), ''))
"""  # noqa: S608
