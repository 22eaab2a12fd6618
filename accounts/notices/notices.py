"""Writing a notice: for the people by mail, and for programs as a webhook event."""

import datetime as dt
from typing import Any

from accounts.models import Customer, CustomerNotice, EventKind
from accounts.webhooks.events import emit_event


def notify(
    *,
    customer: Customer,
    kind: EventKind,
    payload: dict[str, Any],
    key: str,
    now: dt.datetime,
    path: str = "",
) -> bool:
    """Write a notice and its event, once for this key; return whether it is new.

    Call it in the transaction that decides what the notice is about. Amounts and instants in a payload are
    texts; names of instants end with `_at`. The mail links to the path, or to the first page.
    """
    _, is_new = CustomerNotice.objects.get_or_create(
        customer=customer,
        kind=kind,
        key=key,
        defaults={"payload": payload, "path": path, "at": now, "mail_after": now},
    )
    if is_new:
        emit_event(customer=customer, kind=kind, payload=payload, key=key, now=now)
    return is_new
