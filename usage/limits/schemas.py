"""Responses of the endpoints of call limits: bodies, headers and errors."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from msgspec import Meta

from sensenova_billing.lib.api.retry import LONGEST_RETRY_AFTER, retry_after
from sensenova_billing.lib.api.schemas import NonNegative, Schema, answer, schema_ref
from sensenova_billing.lib.api.strict_json import Instant, Name
from usage.limits.admission import Admission
from usage.limits.errors import REFUSAL_CODES, LimitsExhausted
from usage.limits.status import LimitSource, ServiceLimitStatus
from usage.limits.stores.windows import instant_of

_REASONS = {
    400: "The body is not JSON.",
    401: "The service key is missing or not valid.",
    403: "The key lacks the scope calls:admit, the customer is suspended, or the service is not on sale.",
    409: "The customer has another call of this id, or the usage of the call was reported.",
    413: "The body is larger than 64 KiB.",
    415: "The content type is not application/json, or the content encoding is not gzip.",
    422: "The customer or service is unknown, or a field is not valid; the field is named.",
    429: (
        "The call exceeds the limits. Retry-After, at most 59, says when to retry; `details` has a "
        "`RetryMoment`, which is exact. Without them the call is never admitted."
    ),
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


def _header(name: str, schema: Schema, statuses: list[int | str], description: str) -> OpenApiParameter:
    return OpenApiParameter(
        name, schema, location=OpenApiParameter.HEADER, response=statuses, description=description
    )


LIMIT_HEADERS = [
    _header(
        "RateLimit-Policy",
        {"type": "string"},
        [200, 429],
        "The limits of this customer and service, by draft-ietf-httpapi-ratelimit-headers-11.",
    ),
    _header("RateLimit", {"type": "string"}, [200, 429], "What remains of them, by the same draft."),
    _header(
        "Retry-After",
        {"type": "integer", "minimum": 1, "maximum": LONGEST_RETRY_AFTER},
        [429, 503],
        "Seconds after which to retry. With a 429: absent where the call is never admitted.",
    ),
]


class CallLimitsPayload(msgspec.Struct, frozen=True):
    """Limits of any 60 seconds, or what remains of them."""

    requests: Annotated[int, Meta(ge=0, description="Calls in any 60 seconds.")]
    tokens: Annotated[
        NonNegative | None, Meta(description="Input and output tokens in any 60 seconds; null: no limit.")
    ]


class CallResetsPayload(msgspec.Struct, frozen=True):
    """The instants at which nothing of the limits is used any more."""

    requests: Annotated[Instant, Meta(description="When all are available again, if no call is added.")]
    tokens: Annotated[Instant | None, Meta(description="The same; null: no limit.")]


class AdmissionPayload(msgspec.Struct, frozen=True):
    """An admitted call, its limits, and what remains of them."""

    call_id: Annotated[Name, Meta(description="To be sent with the call's usage, or to release it.")]
    customer: Name
    service: Annotated[Name, Meta(description="By its own name, even if the request used an alias.")]
    limits: CallLimitsPayload
    remaining: CallLimitsPayload
    resets_at: CallResetsPayload


class ReleasePayload(msgspec.Struct, frozen=True):
    """A call that was not made."""

    call_id: Name
    state: Literal["released"]


class CallsUsedPayload(msgspec.Struct, frozen=True):
    """Usage of the last 60 seconds."""

    requests: NonNegative
    tokens: NonNegative


class RefusedCallsPayload(msgspec.Struct, frozen=True):
    """Refused calls by reason."""

    rpm_exhausted: NonNegative
    tpm_exhausted: NonNegative
    never_within_limits: NonNegative


_NoLimits = Annotated[None, Meta(description="No call specification is in force, so no call is admitted.")]


class ServiceLimitsPayload(msgspec.Struct, frozen=True):
    """The limits of a customer for a service, and their status."""

    service: Name
    limits: CallLimitsPayload | _NoLimits
    limits_from: Annotated[
        LimitSource | None,
        Meta(
            description=(
                "Where the limits come from: TPM packages in place of a call specification, Tokens packages "
                "that raise its limits, or a call specification; null: there are none."
            )
        ),
    ]
    units: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Units of the TPM packages in force; null: there are none."),
    ]
    excludes_cached_input: Annotated[
        bool, Meta(description="Whether tokens read from the model's cache do not count.")
    ]
    used: Annotated[CallsUsedPayload, Meta(description="Usage of the last 60 seconds.")]
    remaining: CallLimitsPayload | _NoLimits
    resets_at: CallResetsPayload
    refused_last_day: Annotated[
        RefusedCallsPayload,
        Meta(description="Calls refused in this hour and the 24 before it, by reason."),
    ]


class CustomerLimitsPayload(msgspec.Struct, frozen=True):
    """The limits of a customer for each service on sale."""

    customer: Name
    services: list[ServiceLimitsPayload]


def admission_payload(admission: Admission) -> AdmissionPayload:
    """Return the response body for an admitted call."""
    status, limits = admission.status, admission.limits
    ahead = status.second - status.present
    return AdmissionPayload(
        call_id=admission.call_id,
        customer=admission.customer,
        service=admission.service,
        limits=CallLimitsPayload(limits.rpm, limits.tpm),
        remaining=CallLimitsPayload(status.calls_left, status.tokens_left),
        resets_at=CallResetsPayload(
            instant_of(status.calls_reset - ahead),
            None if limits.tpm is None else instant_of(status.tokens_reset - ahead),
        ),
    )


def limit_statuses_payload(*, customer: str, statuses: Sequence[ServiceLimitStatus]) -> CustomerLimitsPayload:
    """Return the response body for a customer's limits."""
    return CustomerLimitsPayload(customer, [_limit_status_payload(status) for status in statuses])


def _limit_status_payload(status: ServiceLimitStatus) -> ServiceLimitsPayload:
    limits, use, calls_left = status.limits, status.use, status.calls_left
    has_tpm = limits is not None and limits.tpm is not None
    return ServiceLimitsPayload(
        service=status.service.name,
        limits=None if limits is None else CallLimitsPayload(limits.rpm, limits.tpm),
        limits_from=status.in_force.source,
        units=status.in_force.units,
        excludes_cached_input=status.in_force.excludes_cached_input,
        used=CallsUsedPayload(use.calls, use.tokens),
        remaining=None if calls_left is None else CallLimitsPayload(calls_left, status.tokens_left),
        resets_at=CallResetsPayload(
            instant_of(use.calls_reset), instant_of(use.tokens_reset) if has_tpm else None
        ),
        refused_last_day=RefusedCallsPayload(
            **{code: status.refused.get(why, 0) for why, code in REFUSAL_CODES.items()}
        ),
    )


def limit_headers(limited: Admission | LimitsExhausted) -> dict[str, str]:
    """Return the limits, what remains and the reset times: for clients of OpenAI, and by the IETF's draft."""
    limits, status = limited.limits, limited.status
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
    return headers | _draft_headers(limited)


def _draft_headers(limited: Admission | LimitsExhausted) -> dict[str, str]:
    """Return the fields of draft-ietf-httpapi-ratelimit-headers-11, which are Structured Fields."""
    limits, status = limited.limits, limited.status
    # One gateway calls for many customers; by the partition key its client tells their limits apart.
    partition = b64encode(f"{limited.customer}/{limited.service}".encode()).decode()
    policies = [f'"rpm";q={limits.rpm};w=60;pk=:{partition}:']
    left = [f'"rpm";r={status.calls_left};t={_reset(limited, status.calls_reset)};pk=:{partition}:']
    if limits.tpm is not None:
        # The draft's registry has no unit for tokens, but without one they would be requests.
        policies.append(f'"tpm";q={limits.tpm};w=60;qu="tokens";pk=:{partition}:')
        left.append(f'"tpm";r={status.tokens_left};t={_reset(limited, status.tokens_reset)};pk=:{partition}:')
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)}


def _reset(limited: Admission | LimitsExhausted, resets_at: int) -> int:
    """Return the seconds until a limit is restored; the draft wants no Retry-After before them."""
    seconds = resets_at - limited.status.second
    if isinstance(limited, LimitsExhausted) and limited.retry_after is not None:
        return min(seconds, limited.retry_after, LONGEST_RETRY_AFTER)
    return seconds


def refusal_headers(refused: LimitsExhausted) -> dict[str, str]:
    """Return these headers for a refused call, and when to retry or that retrying is useless."""
    headers = limit_headers(refused)
    if refused.retry_after is None:
        return headers | {"x-should-retry": "false"}
    return headers | {"Retry-After": retry_after(refused.retry_after)}


def call_refusals(*, release: bool = False) -> dict[int, OpenApiResponse]:
    """Return the error responses of admission, or of a release."""
    reasons = {status: _REASONS[status] for status in (401, 403, 503)} | _RELEASES if release else _REASONS
    return {status: answer(reason, schema_ref("Error")) for status, reason in sorted(reasons.items())}


def limit_status_refusals() -> dict[int, OpenApiResponse]:
    """Return the error responses of reading limits."""
    return {status: answer(reason, schema_ref("Error")) for status, reason in _NOT_READ.items()}
