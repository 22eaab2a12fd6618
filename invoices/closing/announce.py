"""Events of the bills that a closing makes, for customers with an endpoint that is to get them."""

import datetime as dt

from django.db import connection

from accounts.models import EventKind
from accounts.webhooks.events import emitting
from sensenova_billing.lib.database.statements import load_statement


def announce_bills(*, hour: dt.datetime, now: dt.datetime) -> None:
    """Write an event of each bill that is sealed in this hour; once, in its closing."""
    with connection.cursor() as cursor:
        cursor.execute(_ANNOUNCE, {"hour": hour, "kinds": [EventKind.BILL_CLOSED.value], "now": now})


_ANNOUNCE = emitting(load_statement("announce_bills.sql", beside=__file__))
