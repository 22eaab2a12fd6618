"""Why a call is not admitted; the API gives each kind its status."""

from sensenova_billing.lib.api.errors import Refused
from usage.limits.stores.windows import CallLimits, LimitStatus, Refusal

# Why calls are refused that are counted: as the API says it, and in words after "refused".
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


class CallError(Refused):
    """A call is not admitted, or what is asked about one cannot be done; it consumed nothing."""


class InvalidCall(CallError):
    """What was asked cannot be read, or names a customer or a service that is not there."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(
            "invalid_call",
            "This call cannot be admitted or released as it is named.",
            [{"index": 0, "field": field, "reason": reason}],
        )


class CallForbidden(CallError):
    """The customer may not make this call, whatever the limits."""


class UnknownCall(CallError):
    """There is no admitted call of this id."""

    def __init__(self) -> None:
        super().__init__("unknown_call", "No call of this id was admitted within the last hour.")


class CallConflict(CallError):
    """The call's id, or its end, is taken already."""


class LimitsExhausted(CallError):
    """The call does not fit into the limits now, or never would."""

    def __init__(
        self, *, limits: CallLimits, status: LimitStatus, service: str, estimated_tokens: int
    ) -> None:
        self.limits, self.status = limits, status
        super().__init__(REFUSAL_CODES[status.refusal], _words(limits, status, service, estimated_tokens))

    @property
    def retry_after(self) -> int | None:
        """In how many seconds the same call would be admitted; None: never."""
        passes_at = self.status.passes_at
        return None if passes_at is None else max(passes_at - self.status.second, 1)


def _words(limits: CallLimits, status: LimitStatus, service: str, estimated_tokens: int) -> str:
    if status.refusal is Refusal.NEVER:
        return (
            f"{service} takes {limits.tpm:,} tokens in any 60 seconds: a call of {estimated_tokens:,} never "
            "fits. Make it smaller; asking again does not help."
        )
    taken = f"{limits.rpm:,} calls" if status.refusal is Refusal.RPM else f"{limits.tpm:,} tokens"
    return f"{service} takes {taken} in any 60 seconds; this would be more. Retry-After says when it fits."
