"""Events: which there are, and writing one in the transaction that decides it.

Other apps emit one event by `emit_event`, or many by one statement: `emitting(news)` is the text of it.
"""

import datetime as dt
import json
from typing import Any

from django.db import connection

from accounts.models import Customer, EventKind, WebhookEvent
from sensenova_billing.lib.database.statements import load_template
from sensenova_billing.lib.local_time import utc_text

# Customers choose among them.
OFFERED = (
    EventKind.BILL_CLOSED,
    EventKind.STATEMENT_ISSUED,
    EventKind.PRICE_CHANGING,
    EventKind.LIMIT_OFTEN_REACHED,
    EventKind.BUDGET_REACHED,
    EventKind.PACKAGE_LOW,
    EventKind.PACKAGE_EXPIRING,
    EventKind.PAYMENT_RECEIVED,
    EventKind.BALANCE_LOW,
    EventKind.ARREARS_BEGAN,
    EventKind.SUSPENSION_NEAR,
    EventKind.CUSTOMER_SUSPENDED,
    EventKind.CUSTOMER_RESUMED,
    EventKind.EINVOICE_ISSUED,
    EventKind.EINVOICE_REFUSED,
    EventKind.EINVOICE_REVERSED,
)


def emit_event(
    *, customer: Customer, kind: EventKind, payload: dict[str, Any], key: str, now: dt.datetime
) -> None:
    """Write an event for the endpoints of the customer that are to get it, once for this key.

    Call it in the transaction that decides what the event is about: both are committed or neither. Amounts in
    a payload are texts.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _EMIT_ONE,
            {
                "customer": customer.pk,
                "kind": kind.value,
                "key": key,
                "payload": json.dumps({"customer": customer.code, **payload}),
                "kinds": [kind.value],
                "now": now,
            },
        )


def emitting(news: str) -> str:
    """Return the statement that emits these news; its parameters are `kinds`, `now` and those of the news."""
    return _EMIT.substitute(news=news)


def body_of(event: WebhookEvent, *, indent: int | None = None) -> str:
    """Return what is sent of an event, the same at each attempt; or indented, to be read."""
    message = {"type": event.kind, "timestamp": utc_text(event.at, timespec="seconds"), "data": event.payload}
    separators = None if indent else (",", ":")
    return json.dumps(message, ensure_ascii=False, indent=indent, separators=separators)


_EMIT = load_template("emit_events.sql", beside=__file__)
_EMIT_ONE = emitting(
    "SELECT %(customer)s::bigint AS customer_id, %(kind)s::text AS kind, %(key)s::text AS key,"
    " %(payload)s::jsonb AS payload"
)
