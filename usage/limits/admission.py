"""Admits a call within its limits, and releases it if it was not made."""

import datetime as dt
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
from django.http import Http404
from msgspec import UNSET, Meta, UnsetType

from accounts.api_keys.customer_access import customer_of_key
from accounts.api_keys.keys import customer_ids
from accounts.models import ServiceKey
from pricing.rules.measures import MAX_QUANTITY
from sensenova_billing.lib.api.strict_json import (
    BadItem,
    Name,
    read_as,
    read_at_once,
    read_json,
    require_name,
    require_text,
)
from sensenova_billing.lib.database.batching import Batcher
from sensenova_billing.lib.database.time_limits import Work
from sensenova_billing.lib.names import is_fit_for_a_name, is_fit_for_a_path
from usage.limits.budgets import BudgetedCall, release_reservations, reserve_costs
from usage.limits.entitlements import Entitlement, EntitlementRequest, Entitlements, NotEntitled
from usage.limits.errors import (
    BudgetExhausted,
    CallConflict,
    CallError,
    InvalidCall,
    LimitsExhausted,
    UnknownCall,
)
from usage.limits.stores.choice import call_windows
from usage.limits.stores.windows import (
    CallKey,
    CallLimits,
    CallState,
    LimitStatus,
    Refusal,
    RequestedCall,
    SettledCall,
    StoreUnavailable,
)
from usage.metadata import Metadata, require_metadata


class CallRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A call that a gateway wants to make for a customer.

    `estimated_tokens` are the input tokens and the maximum of the output; they are reserved until the call's
    usage is reported. `call_id` is the gateway's id of the call, which lets it repeat the request; the answer
    has a new id if the request has none. `metadata` is that with which the usage will be reported: budgets of
    a project, an end user or an API key stop only calls that name it here.
    """

    customer: Name
    service: Name
    estimated_tokens: Annotated[int, Meta(ge=0, le=MAX_QUANTITY)]
    call_id: Name | UnsetType = UNSET
    metadata: Metadata | UnsetType = UNSET


_CALL = msgspec.json.Decoder(CallRequest)


@dataclass(frozen=True, slots=True)
class Admission:
    """An admitted call, its limits, and their status after it."""

    call_id: str
    customer: str
    service: str
    limits: CallLimits
    status: LimitStatus


def decode_call(body: bytes) -> CallRequest:
    """Return the request in a JSON object; raise Unreadable, or InvalidCall naming the field."""
    call = read_at_once(_CALL, body)
    try:
        if call is None:
            call = read_as(CallRequest, read_json(body))
            for field in ("customer", "service"):
                require_text(field, getattr(call, field))
        _require_releasable(call.call_id or "")
        require_metadata(call.metadata or {})
    except BadItem as error:
        raise InvalidCall(error.field, error.reason) from error
    return call


def _require_releasable(call_id: str) -> None:
    """Raise BadItem for an id that the URL of a release cannot hold."""
    require_name("call_id", call_id)
    if not is_fit_for_a_path(call_id):
        raise BadItem("call_id", "must not have a path segment . or .. because the id is part of a URL")


def admit_call(*, call: CallRequest, key: ServiceKey, now: dt.datetime) -> Admission:
    """Admit this call, once for its id, and reserve its tokens; or raise CallError and consume nothing."""
    pending = _PendingCall(
        call_id=call.call_id or str(uuid.uuid4()),
        entitlement=EntitlementRequest(call.customer, call.service, key.pk if key.is_limited else None),
        estimated_tokens=call.estimated_tokens,
        metadata=call.metadata or {},
        now=now,
    )
    return _BATCHER.submit(pending)


def release_call(*, call_id: str, customer: str, key: ServiceKey) -> None:
    """Release the reservation of a call that was not made; raise UnknownCall, CallConflict or InvalidCall.

    Without the customer's code it is the call of the only customer of the key with a call of this id.
    """
    if not is_fit_for_a_name(call_id):
        raise UnknownCall
    released = SettledCall(_customer_id(call_id, customer, key), call_id, None)
    (before,) = call_windows().settle([released])
    if before is CallState.UNKNOWN:
        raise UnknownCall
    if before is CallState.SETTLED:
        raise CallConflict("call_settled", "The usage of this call was reported, so it cannot be released.")
    release_reservations({(released.customer_id, call_id)})


def _customer_id(call_id: str, customer: str, key: ServiceKey) -> int:
    """Return the customer whose call is released; other customers' calls are unknown to the key."""
    if customer:
        try:
            return customer_of_key(key=key, code=customer).pk
        except Http404 as error:
            raise UnknownCall from error
    of_key = customer_ids(key=key)
    if of_key is not None and len(of_key) == 1:
        return next(iter(of_key))
    found = call_windows().customers_of(call_id)
    candidates = found if of_key is None else found & of_key
    if not candidates:
        raise UnknownCall
    if len(candidates) > 1:
        raise InvalidCall("customer", "several customers have a call of this id; give the customer")
    return candidates.pop()


@dataclass(frozen=True, slots=True)
class _PendingCall:
    call_id: str
    entitlement: EntitlementRequest
    estimated_tokens: int
    metadata: Mapping[str, str]
    now: dt.datetime


_ENTITLEMENTS = Entitlements()


def _admit_batch(batch: Sequence[_PendingCall]) -> list[Admission | CallError]:
    """Look up all entitlements, and admit the entitled calls in one round trip."""
    entitlements = _ENTITLEMENTS.of(
        [pending.entitlement for pending in batch], now=max(pending.now for pending in batch)
    )
    refused, reserved = _reserve_budgets(batch, entitlements)
    calls = [
        RequestedCall(
            found.customer_id, found.service_id, pending.call_id, pending.estimated_tokens, found.limits
        )
        for place, (pending, found) in enumerate(zip(batch, entitlements, strict=True))
        if isinstance(found, Entitlement) and place not in refused
    ]
    statuses = _admit_within_limits(calls, reserved)
    return [
        refused.get(place) or _outcome(pending, found, next(statuses))
        if isinstance(found, Entitlement)
        else found.error()
        for place, (pending, found) in enumerate(zip(batch, entitlements, strict=True))
    ]


def _reserve_budgets(
    batch: Sequence[_PendingCall], entitlements: Sequence[Entitlement | NotEntitled]
) -> tuple[dict[int, BudgetExhausted], set[CallKey]]:
    """Reserve the cost of calls of customers with a cap; return refusals by place, and what was reserved."""
    capped = {
        place: BudgetedCall(found, found.cap, pending.call_id, pending.estimated_tokens, pending.metadata)
        for place, (pending, found) in enumerate(zip(batch, entitlements, strict=True))
        if isinstance(found, Entitlement) and found.cap is not None
    }
    if not capped:
        return {}, set()
    return reserve_costs(calls=capped, now=max(pending.now for pending in batch))


def _admit_within_limits(calls: Sequence[RequestedCall], reserved: set[CallKey]) -> Iterator[LimitStatus]:
    """Admit calls within RPM and TPM, and give back what was reserved for those that are not admitted."""
    try:
        statuses = call_windows().admit(calls) if calls else []
    except StoreUnavailable:
        release_reservations(reserved)
        raise
    not_admitted = {
        (call.customer_id, call.call_id)
        for call, status in zip(calls, statuses, strict=True)
        if not status.admitted
    }
    release_reservations(reserved & not_admitted)
    return iter(statuses)


def _outcome(pending: _PendingCall, entitlement: Entitlement, status: LimitStatus) -> Admission | CallError:
    if status.admitted:
        return Admission(
            pending.call_id, pending.entitlement.customer, entitlement.service, entitlement.limits, status
        )
    if status.refusal is Refusal.OTHER_CALL:
        return CallConflict(
            "call_id_taken", "This customer has a call of this id with another service or estimate."
        )
    if status.refusal is Refusal.ENDED:
        return CallConflict("call_settled", "The usage of this call was reported; use another id.")
    return LimitsExhausted(
        limits=entitlement.limits,
        status=status,
        customer=pending.entitlement.customer,
        service=entitlement.service,
        estimated_tokens=pending.estimated_tokens,
    )


_BATCHER = Batcher[_PendingCall, Admission](_admit_batch, work=Work.ADMISSION)
