"""Admit a call within its limits, and give it back if it was not made."""

import datetime as dt
import uuid
from collections.abc import Sequence
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
from sensenova_billing.lib.database.batching import Ferry
from sensenova_billing.lib.database.time_limits import Work
from sensenova_billing.lib.names import is_fit_for_a_name, is_fit_for_a_path
from usage.limits.entitlements import Entitlement, EntitlementRequest, Entitlements
from usage.limits.errors import CallConflict, CallError, InvalidCall, LimitsExhausted, UnknownCall
from usage.limits.stores.choice import call_windows
from usage.limits.stores.windows import (
    CallLimits,
    CallState,
    LimitStatus,
    Refusal,
    RequestedCall,
    SettledCall,
)


class CallRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A call that a gateway wants to make for a customer.

    `estimated_tokens` are those of the input and the most that the output may have; they are held until the
    call's usage is reported. `call_id` is the gateway's own name for the call, under which it may ask again;
    without one the answer brings one.
    """

    customer: Name
    service: Name
    estimated_tokens: Annotated[int, Meta(ge=0, le=MAX_QUANTITY)]
    call_id: Name | UnsetType = UNSET


_CALL = msgspec.json.Decoder(CallRequest)


@dataclass(frozen=True, slots=True)
class Admission:
    """A call that was admitted, its limits, and how the customer stands after it."""

    call_id: str
    customer: str
    service: str
    limits: CallLimits
    status: LimitStatus


def decode_call(body: bytes) -> CallRequest:
    """Return what a JSON object asks for; raise Unreadable, or InvalidCall naming the field."""
    asked = read_at_once(_CALL, body)
    try:
        if asked is None:
            asked = read_as(CallRequest, read_json(body))
            for field in ("customer", "service"):
                require_text(field, getattr(asked, field))
        _require_releasable(asked.call_id or "")
    except BadItem as error:
        raise InvalidCall(error.field, error.reason) from error
    return asked


def _require_releasable(call_id: str) -> None:
    """Raise BadItem for an id that the address of a release cannot hold."""
    require_name("call_id", call_id)
    if not is_fit_for_a_path(call_id):
        raise BadItem("call_id", "must not hold . or .. between slashes or alone: an address cannot carry it")


def admit_call(*, asked: CallRequest, key: ServiceKey, now: dt.datetime) -> Admission:
    """Admit this call, once for its id, and hold its tokens; or raise CallError and consume nothing."""
    wish = _PendingCall(
        call_id=asked.call_id or str(uuid.uuid4()),
        right=EntitlementRequest(asked.customer, asked.service, key.pk if key.is_limited else None),
        estimated_tokens=asked.estimated_tokens,
        now=now,
    )
    return _FERRY.cross(wish)


def release_call(*, call_id: str, customer: str, key: ServiceKey) -> None:
    """Release the reservation of a call that was not made; raise UnknownCall, CallConflict or InvalidCall.

    Without the customer's code it is the call of the only customer of this key that has one of this id.
    """
    if not is_fit_for_a_name(call_id):
        raise UnknownCall
    released = SettledCall(_customer_id(call_id, customer, key), call_id, None)
    (before,) = call_windows().settle([released])
    if before is CallState.UNKNOWN:
        raise UnknownCall
    if before is CallState.SETTLED:
        raise CallConflict("call_settled", "The usage of this call was reported: it was made.")


def _customer_id(call_id: str, customer: str, key: ServiceKey) -> int:
    """Return whose call is released; another's is unknown, like one that does not exist."""
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
        raise InvalidCall("customer", "several customers have a call of this id: name one")
    return candidates.pop()


@dataclass(frozen=True, slots=True)
class _PendingCall:
    call_id: str
    right: EntitlementRequest
    estimated_tokens: int
    now: dt.datetime


_ENTITLEMENTS = Entitlements()


def _carry(wishes: Sequence[_PendingCall]) -> list[Admission | CallError]:
    """Find the rights of all, and ask the windows once for all that have one."""
    rights = _ENTITLEMENTS.of([wish.right for wish in wishes], now=max(wish.now for wish in wishes))
    asked = [
        RequestedCall(right.customer_id, right.service_id, wish.call_id, wish.estimated_tokens, right.limits)
        for wish, right in zip(wishes, rights, strict=True)
        if isinstance(right, Entitlement)
    ]
    statuses = iter(call_windows().admit(asked) if asked else ())
    return [
        _outcome(wish, right, next(statuses)) if isinstance(right, Entitlement) else right.refusal()
        for wish, right in zip(wishes, rights, strict=True)
    ]


def _outcome(wish: _PendingCall, right: Entitlement, status: LimitStatus) -> Admission | CallError:
    if status.admitted:
        return Admission(wish.call_id, wish.right.customer, right.service, right.limits, status)
    if status.refusal is Refusal.OTHER_CALL:
        return CallConflict(
            "call_id_taken", "This customer has another call of this id: of another service or estimate."
        )
    if status.refusal is Refusal.ENDED:
        return CallConflict("call_settled", "The usage of this call was reported: ask under another id.")
    return LimitsExhausted(
        limits=right.limits,
        status=status,
        service=right.service,
        estimated_tokens=wish.estimated_tokens,
    )


_FERRY = Ferry[_PendingCall, Admission](_carry, work=Work.ADMISSION)
