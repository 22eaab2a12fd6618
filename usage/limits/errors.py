"""Errors of admission; sensenova_billing/http/errors.py gives each its status."""

from sensenova_billing.lib.api.errors import ApiError
from usage.limits.stores.windows import CallLimits, LimitStatus, Refusal

# The reasons under which refused calls are counted: their codes in the API, and in words after "refused".
REFUSAL_CODES = {
    Refusal.RPM: "rpm_exhausted",
    Refusal.TPM: "tpm_exhausted",
    Refusal.NEVER: "never_within_limits",
}
REFUSAL_WORDS = {
    Refusal.RPM: "beyond the RPM",
    Refusal.TPM: "beyond the TPM",
    Refusal.NEVER: "larger than the TPM",
}


class CallError(ApiError):
    """A call was not admitted or not released; it consumed nothing."""


class InvalidCall(CallError):
    """The request is not valid, or names an unknown customer or service."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(
            "invalid_call",
            "The call was rejected; see the field and its reason in details.",
            [{"index": 0, "field": field, "reason": reason}],
        )


class CallForbidden(CallError):
    """The customer may not call this service, whatever the limits."""


class UnknownCall(CallError):
    """No call of this id was admitted."""

    def __init__(self) -> None:
        super().__init__("unknown_call", "No call of this id was admitted within the last hour.")


class CallConflict(CallError):
    """The id belongs to another call, or the call was settled."""


class LimitsExhausted(CallError):
    """The call is beyond the limits now, or would always be."""

    def __init__(
        self, *, limits: CallLimits, status: LimitStatus, service: str, estimated_tokens: int
    ) -> None:
        self.limits, self.status = limits, status
        super().__init__(REFUSAL_CODES[status.refusal], _words(limits, status, service, estimated_tokens))

    @property
    def retry_after(self) -> int | None:
        """Seconds until the same call would be admitted; None: never."""
        passes_at = self.status.passes_at
        return None if passes_at is None else max(passes_at - self.status.second, 1)


def _words(limits: CallLimits, status: LimitStatus, service: str, estimated_tokens: int) -> str:
    if status.refusal is Refusal.NEVER:
        return (
            f"{service} accepts {limits.tpm:,} tokens in any 60 seconds, so a call of {estimated_tokens:,} "
            "is never admitted. Reduce its tokens; retrying does not help."
        )
    limit = f"{limits.rpm:,} calls" if status.refusal is Refusal.RPM else f"{limits.tpm:,} tokens"
    return (
        f"{service} accepts {limit} in any 60 seconds; this call exceeds it. Retry-After says when to retry."
    )
