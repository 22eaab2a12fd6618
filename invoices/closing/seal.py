"""The seal of a closed hour: a hash chain by which a later change of its documents is detected.

A seal is the SHA-256 over the seal of the hour before and over the SHA-256 of each bill that was issued with
the closing, with its lines, draws and quota overruns, in the order of their numbers, and of each hour that
was parked, in the order of the customers.
PostgreSQL computes it where the lines are, so that no memory is needed for them.
"""

import datetime as dt
from collections.abc import Sequence

from django.db import connection

from invoices.closing.bill import Billed
from invoices.models import HourSeal
from pricing.rules.amounts import exact_sum
from sensenova_billing.lib.database.statements import load_statement


def seal_hour(*, hour: dt.datetime, previous: dt.datetime | None, billed: Sequence[Billed]) -> HourSeal:
    """Store the seal of an hour, with the totals of all that was billed with its closing.

    The last of `billed` is the hour's own usage, those before it hours that were released.
    """
    return HourSeal.objects.create(
        hour_id=hour,
        sha256=seal_of(hour=hour, previous=previous),
        bills=sum(part.bills for part in billed),
        lines=sum(part.lines for part in billed),
        records=sum(part.records for part in billed),
        parked=billed[-1].parked,
        amount=exact_sum(part.amount for part in billed),
    )


def seal_of(*, hour: dt.datetime, previous: dt.datetime | None) -> bytes:
    """Return the seal that the hour's documents have as they are now."""
    before = HourSeal.objects.get(pk=previous).sha256 if previous else b""
    with connection.cursor() as cursor:
        cursor.execute(_SEAL, {"hour": hour, "before": bytes(before)})
        (sha256,) = cursor.fetchone()
    return bytes(sha256)


_SEAL = load_statement("compute_seal.sql", beside=__file__)
