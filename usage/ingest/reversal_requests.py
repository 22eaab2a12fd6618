"""Requests to reverse a usage record, and whether the key may."""

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import Meta

from accounts.api_keys.keys import customer_codes
from accounts.audit.context import LONGEST_REASON
from accounts.models import Customer, ServiceKey
from sensenova_billing.lib.api.strict_json import BadItem, Name, read_as, read_json, require_text
from usage.ingest.errors import NotReversible
from usage.ingest.reversals import reverse_record
from usage.models import UsageRecord
from usage.refused.errors import UsageError

Reason = Annotated[str, Meta(min_length=1, max_length=LONGEST_REASON)]


class ReversalRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A usage record to be reversed, and why.

    `customer` and `event_id` are those of the reported record. `reason` is stored with the reversal.
    """

    customer: Name
    event_id: Name
    reason: Reason


def decode_reversal(body: bytes) -> ReversalRequest:
    """Return the request in a JSON object; raise Unreadable, or NotReversible naming the field."""
    payload = read_json(body)
    try:
        requested = read_as(ReversalRequest, payload)
        for field in ReversalRequest.__struct_fields__:
            require_text(field, getattr(requested, field))
    except BadItem as error:
        raise NotReversible(error.field, error.reason) from error
    return requested


def reverse_usage(
    *, requested: ReversalRequest, key: ServiceKey, now: dt.datetime
) -> tuple[Customer, UsageRecord]:
    """Reverse a record of a customer of the key; repeated for the same reason, return the same reversal."""
    try:
        return _reverse(requested=requested, key=key, now=now)
    except UsageError as error:
        error.customers = {0: requested.customer}
        raise


def _reverse(
    *, requested: ReversalRequest, key: ServiceKey, now: dt.datetime
) -> tuple[Customer, UsageRecord]:
    codes = customer_codes(key=key)
    if codes is not None and requested.customer not in codes:
        # Also for a customer that does not exist, so that a key learns nothing about other customers.
        raise NotReversible("customer", "this key may not report for this customer")
    customer = Customer.objects.filter(code=requested.customer).first()
    if customer is None:
        raise NotReversible("customer", "unknown customer")
    reversal = reverse_record(
        customer=customer, event_id=requested.event_id, reason=requested.reason, by=str(key), now=now
    )
    return customer, reversal
