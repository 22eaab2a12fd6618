"""A notice of each text."""

import datetime as dt

from accounts.models import Customer, CustomerNotice
from accounts.notices.words import TEXTS

_TERMS = {"unit_price": "0.04", "unit_size": 1000, "kind": "list_price"}
# What the texts name.
PAYLOAD = {
    **{"left": "1", "hours": 3, "spent": "2", "owed": "3", "due_at": "2026-12-01T16:00:00Z"},
    **{"suspends_at": "2026-12-09T16:00:00Z", "changes_at": "2026-12-09T16:00:00Z", "currency": "CNY"},
    **{"hour_at": "2026-12-09T16:00:00Z", "refused_by_rpm": 1, "refused_by_tpm": 2, "calls": 9},
    **{"einvoice": "E00000001", "payable": "106", "invoice_number": "1" * 20, "invoice_date": "2026-11-05"},
    **{"reversing_number": "2" * 20, "reversing_date": "2026-11-06"},
}


def notice_of_each(customer: Customer, *, service: str, at: dt.datetime) -> int:
    """Write a notice of each kind and reason, which names a service where one is named; return how many."""
    change = {"service": service, "measure": "input_tokens", "before": _TERMS, "after": _TERMS}
    for kind, because in TEXTS:
        payload = {**PAYLOAD, "service": service, "reason": service, "because": because, "changes": [change]}
        CustomerNotice.objects.create(
            customer=customer, kind=kind, key=because, payload=payload, at=at, mail_after=at
        )
    return len(TEXTS)
