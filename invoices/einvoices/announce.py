"""What becomes of a request is mailed to the customer's owners and finance, and an event for webhooks."""

import datetime as dt

from django.urls import reverse

from accounts.models import EventKind
from accounts.notices.notices import notify
from invoices.models import EInvoiceRequest
from pricing.rules.amounts import plain


def announce(request: EInvoiceRequest, kind: EventKind, *, now: dt.datetime, **facts: str) -> None:
    """Write the notice in the transaction of the transition."""
    payload = {
        "einvoice": request.number,
        "kind": request.kind,
        "statements": [item.statement.number for item in request.items.select_related("statement")],
        "payable": plain(request.payable),
        "currency": "CNY",
        **facts,
    }
    notify(
        customer=request.customer,
        kind=kind,
        payload=payload,
        key=f"{request.number} {now.isoformat()}",
        now=now,
        path=reverse("customer_einvoice", args=[request.customer.code, request.pk]),
    )
