"""Payloads, headers and OpenAPI schemas of the endpoints of call limits."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from sensenova_billing.lib.api.schemas import Schema, answer, schema_ref
from usage.limits.admission import Admission
from usage.limits.errors import REFUSAL_CODES, LimitsExhausted
from usage.limits.status import ServiceLimitStatus
from usage.limits.stores.windows import EPOCH, CallLimits, LimitStatus

_REASONS = {
    400: "The body is not JSON.",
    401: "The service key is missing or not valid.",
    403: "The key lacks the scope calls:admit, the customer is suspended, or the service is not on sale.",
    409: "The customer has another call of this id, or the usage of the call was reported.",
    413: "The body is larger than 64 KiB.",
    415: "The content type is not application/json, or the content encoding is not gzip.",
    422: "The customer or service is unknown, or a field is not valid; the field is named.",
    429: "The call exceeds the limits. Retry-After says when to retry; absent: the call is never admitted.",
    503: (
        "Rate limits are temporarily unavailable, so no call is admitted; retry after Retry-After seconds."
    ),
}
_RELEASES = {
    400: "A parameter is not valid, is unknown, or is given more than once; each is named with its reason.",
    404: "No call of this id was admitted within the last hour for a customer of the key.",
    409: "The usage of this call was reported.",
    422: "Several customers of the key have a call of this id; give `customer`.",
}
RELEASED_CUSTOMER = OpenApiParameter(
    "customer",
    {"type": "string", "minLength": 1, "maxLength": 64},
    description="The customer's code; required if several customers of the key have a call of this id.",
)
_NOT_READ = {
    400: "A parameter is not valid, is unknown, or is given more than once; each is named with its reason.",
    401: "The service key is missing or not valid.",
    403: "The key lacks the scope billing:read.",
    404: "There is no such customer, or the key may not act for it.",
    503: "Rate limits are temporarily unavailable; retry after Retry-After seconds.",
}


def admission_payload(admission: Admission) -> dict[str, Any]:
    """Return the response body for an admitted call."""
    status, limits = admission.status, admission.limits
    ahead = status.second - status.present
    return {
        "call_id": admission.call_id,
        "customer": admission.customer,
        "service": admission.service,
        "limits": {"requests": limits.rpm, "tokens": limits.tpm},
        "remaining": {"requests": status.calls_left, "tokens": status.tokens_left},
        "resets_at": {
            "requests": instant_of(status.calls_reset - ahead),
            "tokens": None if limits.tpm is None else instant_of(status.tokens_reset - ahead),
        },
    }


def limit_statuses_payload(*, customer: str, statuses: Sequence[ServiceLimitStatus]) -> dict[str, Any]:
    """Return the response body for a customer's limits."""
    return {"customer": customer, "services": [_limit_status_payload(status) for status in statuses]}


def _limit_status_payload(status: ServiceLimitStatus) -> dict[str, Any]:
    limits, use = status.limits, status.use
    tpm = limits.tpm if limits else None
    return {
        "service": status.service.name,
        "limits": {"requests": limits.rpm, "tokens": tpm} if limits else None,
        "used": {"requests": use.calls, "tokens": use.tokens},
        "remaining": {"requests": status.calls_left, "tokens": status.tokens_left} if limits else None,
        "resets_at": {
            "requests": instant_of(use.calls_reset),
            "tokens": None if tpm is None else instant_of(use.tokens_reset),
        },
        "refused_last_day": {code: status.refused.get(why, 0) for why, code in REFUSAL_CODES.items()},
    }


def limit_headers(limits: CallLimits, status: LimitStatus) -> dict[str, str]:
    """Return the limits, what remains and the reset times in the headers that OpenAI's clients read."""
    headers = {
        "x-ratelimit-limit-requests": str(limits.rpm),
        "x-ratelimit-remaining-requests": str(status.calls_left),
        "x-ratelimit-reset-requests": f"{status.calls_reset - status.second}s",
    }
    if limits.tpm is not None:
        headers |= {
            "x-ratelimit-limit-tokens": str(limits.tpm),
            "x-ratelimit-remaining-tokens": str(status.tokens_left),
            "x-ratelimit-reset-tokens": f"{status.tokens_reset - status.second}s",
        }
    return headers


def refusal_headers(refused: LimitsExhausted) -> dict[str, str]:
    """Return these headers for a refused call, and when to retry or that retrying is useless."""
    headers = limit_headers(refused.limits, refused.status)
    if refused.retry_after is None:
        return headers | {"x-should-retry": "false"}
    return headers | {"Retry-After": str(refused.retry_after)}


def instant_of(second: int) -> dt.datetime:
    """Return the instant at which a second begins."""
    return EPOCH + dt.timedelta(seconds=second)


def call_refusals(*, release: bool = False) -> dict[int, OpenApiResponse]:
    """Return the error responses of admission, or of a release."""
    reasons = {status: _REASONS[status] for status in (401, 403, 503)} | _RELEASES if release else _REASONS
    return {status: answer(reason, schema_ref("Error")) for status, reason in sorted(reasons.items())}


def limit_status_refusals() -> dict[int, OpenApiResponse]:
    """Return the error responses of reading limits."""
    return {status: answer(reason, schema_ref("Error")) for status, reason in _NOT_READ.items()}


def _object(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties, "required": [*properties]}


_COUNT = {"type": "integer", "minimum": 0}
_COUNT_OR_NULL = {"type": ["integer", "null"], "minimum": 0}
_INSTANT = {"type": "string", "format": "date-time"}
_NAME = {"type": "string", "minLength": 1, "maxLength": 255}

_NO_LIMITS = {"type": "null", "description": "No call specification is in force, so no call is admitted."}

CALL_SHAPES: dict[str, Schema] = {
    "Admission": _object(
        {
            "call_id": _NAME | {"description": "To be sent with the call's usage, or to release it."},
            "customer": _NAME,
            "service": _NAME | {"description": "By its own name, even if the request used an alias."},
            "limits": schema_ref("CallLimits"),
            "remaining": schema_ref("CallLimits"),
            "resets_at": schema_ref("CallResets"),
        }
    ),
    "CallLimits": _object(
        {
            "requests": _COUNT | {"description": "Calls in any 60 seconds."},
            "tokens": _COUNT_OR_NULL
            | {"description": "Input and output tokens in any 60 seconds; null: no limit."},
        }
    ),
    "CallResets": _object(
        {
            "requests": _INSTANT | {"description": "When all are available again, if no call is added."},
            "tokens": {"type": ["string", "null"], "format": "date-time"},
        }
    ),
    "CallsUsed": _object({"requests": _COUNT, "tokens": _COUNT}),
    "CustomerLimits": _object(
        {"customer": _NAME, "services": {"type": "array", "items": schema_ref("ServiceLimits")}}
    ),
    "RefusedCalls": _object(dict.fromkeys(REFUSAL_CODES.values(), _COUNT)),
    "ServiceLimits": _object(
        {
            "service": _NAME,
            "limits": {"anyOf": [schema_ref("CallLimits"), _NO_LIMITS]},
            "used": schema_ref("CallsUsed") | {"description": "Usage of the last 60 seconds."},
            "remaining": {"anyOf": [schema_ref("CallLimits"), _NO_LIMITS]},
            "resets_at": schema_ref("CallResets"),
            "refused_last_day": schema_ref("RefusedCalls")
            | {"description": "Calls refused in this hour and the 24 before it, by reason."},
        }
    ),
    "Release": _object({"call_id": _NAME, "state": {"const": "released"}}),
}
