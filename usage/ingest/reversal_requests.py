"""What a sender asks to be reversed, and for whom its key may ask it."""

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
    """A usage record that is to be taken back, and why.

    `customer` and `event_id` are those with which it was reported. `reason` is kept with the reversal.
    """

    customer: Name
    event_id: Name
    reason: Reason


def decode_reversal(body: bytes) -> ReversalRequest:
    """Return what a JSON object asks to be reversed; raise Unreadable, or NotReversible naming the field."""
    said = read_json(body)
    try:
        asked = read_as(ReversalRequest, said)
        for field in ReversalRequest.__struct_fields__:
            require_text(field, getattr(asked, field))
    except BadItem as error:
        raise NotReversible(error.field, error.reason) from error
    return asked


def reverse_usage(
    *, asked: ReversalRequest, key: ServiceKey, now: dt.datetime
) -> tuple[Customer, UsageRecord]:
    """Reverse what this key may; again for the same reason returns the same reversal."""
    try:
        return _reverse(asked=asked, key=key, now=now)
    except UsageError as refused:
        refused.customers = {0: asked.customer}
        raise


def _reverse(*, asked: ReversalRequest, key: ServiceKey, now: dt.datetime) -> tuple[Customer, UsageRecord]:
    codes = customer_codes(key=key)
    if codes is not None and asked.customer not in codes:
        # The same for a customer that does not exist, so that a key learns nothing about others.
        raise NotReversible("customer", "this key may not report for it")
    customer = Customer.objects.filter(code=asked.customer).first()
    if customer is None:
        raise NotReversible("customer", "there is no such customer")
    reversal = reverse_record(
        customer=customer, event_id=asked.event_id, reason=asked.reason, by=str(key), now=now
    )
    return customer, reversal
