"""Faults that no operator makes, each with the text that has to occur exactly once where it is put.

The first ones are those of a review of the money paths that no test had seen.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Chosen:
    """In the one file of this pattern that holds this text, the text is replaced."""

    pattern: str
    text: str
    replacement: str


_BILL_HOUR = "invoices/closing/bill_hour.sql"
CHOSEN = [
    # A huge credit is billed, or an unusual one.
    Chosen(
        _BILL_HOUR,
        "abs(owed.amount) > %(most_amount)s",
        "owed.amount > %(most_amount)s",
    ),
    Chosen(
        _BILL_HOUR,
        "abs(owed.amount) > %(unusual_from)s AND abs(owed.amount) > %(times_usual)s",
        "abs(owed.amount) > %(unusual_from)s AND owed.amount > %(times_usual)s",
    ),
    Chosen(
        _BILL_HOUR,
        "abs(owed.amount) > %(unusual_from)s AND bill.customer_id",
        "owed.amount > %(unusual_from)s AND bill.customer_id",
    ),
    # A runaway hour is not parked: what is usual is that of all customers.
    Chosen(_BILL_HOUR, " AND bill.customer_id = customer.id\n              AND", " AND"),
    # A re-rating is billed while an earlier hour is parked.
    Chosen(
        _BILL_HOUR,
        "bool_or(correction <> '$none')",
        "bool_or(correction = 'reversal')",
    ),
    Chosen(
        _BILL_HOUR,
        "(SELECT FROM reversed WHERE reversed.customer_id = customer.id)",
        "(SELECT FROM reversed)",
    ),
    # Usage in a closed hour.
    Chosen(
        "usage/ingest/insert_records.sql",
        "occurred_at, billing_hour, %s::timestamptz",
        "occurred_at, hour, %s::timestamptz",
    ),
    Chosen("usage/ingest/store.py", "{billing.isoformat()}", "{hour.isoformat()}"),
    # A repeated report settles its call again.
    Chosen(
        "usage/ingest/record.py",
        "for index, record in records.items() if _is_new(outcomes[index])]",
        "for index, record in records.items()]",
    ),
    Chosen(
        "usage/ingest/record.py",
        "settle_stored(calls=map(used_call, new), now=now)",
        "settle_stored(calls=map(used_call, records.values()), now=now)",
    ),
    # An alias comes before a service's own name.
    Chosen("pricing/catalogue/service_by_name.sql", " ORDER BY turn\n", " ORDER BY turn DESC\n"),
    # Text is counted beside a count of characters.
    Chosen("usage/ingest/payload.py", "None if any(map(_needs_checks, reports)) else reports", "reports"),
    # Tags are charged.
    Chosen("pricing/rules/characters.py", r'r"\s*(<\?xml', r'r"(<\?xml'),
    Chosen("pricing/rules/characters.py", r"[^>]*\?>\s*)?", r"[^>]*\?>)?"),
    Chosen("pricing/rules/characters.py", r"<speak[\s>]", "<speak[ >]"),
    # Another customer's reversals, and those of another hour, are counted on a bill.
    Chosen("invoices/portal/views.py", '"customer": found.customer_id,', ""),
    Chosen("invoices/portal/views.py", '"billing_hour": found.hour_id,', ""),
    # Another customer's reversal, or record, is found.
    Chosen(
        "usage/ingest/reversals.py",
        "filter(customer=customer, reverses=event_id)",
        "filter(reverses=event_id)",
    ),
    Chosen(
        "usage/ingest/reversals.py",
        "filter(customer=customer, event_id=event_id)",
        "filter(event_id=event_id)",
    ),
    # The window is forgotten, or the call, or what was refused.
    Chosen("usage/limits/stores/redis.lua", "'EX', 122)", "'EX', 30)"),
    # A planned change is not shown.
    Chosen(
        "pricing/rules/precedence.py",
        "self.kind, self.unit_price, self.unit_size",
        "self.kind, self.unit_price",
    ),
    Chosen(
        "pricing/rules/precedence.py",
        "self.kind, self.unit_price, self.unit_size",
        "self.unit_price, self.unit_size",
    ),
    # The second opinion misses it.
    Chosen(
        "invoices/books/verify.py",
        'books.verified.findings.add("parking", "was parked and billed", **where, bill=bill.number)',
        "pass",
    ),
    Chosen(
        "invoices/books/verify.py",
        "release.billing_hour <= %s",
        "release.billing_hour <= %s::timestamptz + interval '1 hour'",
    ),
    Chosen(
        "invoices/books/expected.py",
        "line.usage_hour < order.until_hour",
        "line.usage_hour <= order.until_hour",
    ),
    # A key that has expired is good for another second.
    Chosen("accounts/api_keys/keys.py", " and self.key.is_live(at=now)", ""),
    # ...and some of the same kinds elsewhere.
    Chosen("usage/billing_hours.py", 'if isolation != "read committed":', "if False:"),
    Chosen(
        "invoices/closing/compute_seal.sql",
        'ORDER BY number COLLATE "C") FROM bills',
        "ORDER BY number DESC) FROM bills",
    ),
    Chosen("invoices/closing/close.py", '.order_by("parked__hour_id")', '.order_by("-parked__hour_id")'),
    Chosen(
        "accounts/api_keys/permissions.py",
        "isinstance(key, ServiceKey) and self.scope in key.scopes",
        "isinstance(key, ServiceKey)",
    ),
    Chosen(
        "accounts/api_keys/customer_access.py",
        "one for one in person.own_customers if one.code == code",
        "one for one in Customer.objects.all() if one.code == code",
    ),
    # One customer's report frees another's limit.
    Chosen(
        "usage/migrations/*.sql",
        "WHERE one.customers IS NULL OR seen.customer_id = ANY(one.customers)\n         ORDER BY its.nth",
        "ORDER BY its.nth",
    ),
]
