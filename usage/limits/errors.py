"""Errors of admission; sensenova_billing/http/errors.py gives each its status."""

from typing import Any

from django.utils.translation import gettext_noop

from sensenova_billing.lib.api.errors import ApiError
from sensenova_billing.lib.api.retry import retry_moment
from usage.limits.stores.windows import CallLimits, LimitStatus, Refusal, instant_of

# The reasons under which refused calls are counted: their codes in the API, and in words after "refused".
REFUSAL_CODES = {
    Refusal.RPM: "rpm_exhausted",
    Refusal.TPM: "tpm_exhausted",
    Refusal.NEVER: "never_within_limits",
}
REFUSAL_WORDS = {
    Refusal.RPM: gettext_noop("beyond the RPM"),
    Refusal.TPM: gettext_noop("beyond the TPM"),
    Refusal.NEVER: gettext_noop("larger than the TPM"),
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


class BudgetExhausted(CallForbidden):
    """The call may cost more than a budget with a stop has left in its window; it consumed nothing."""


class UnknownCall(CallError):
    """No call of this id was admitted."""

    def __init__(self) -> None:
        super().__init__("unknown_call", "No call of this id was admitted within the last hour.")


class CallConflict(CallError):
    """The id belongs to another call, or the call was settled."""


class LimitsExhausted(CallError):
    """The call is beyond the limits now, or would always be."""

    def __init__(
        self, *, limits: CallLimits, status: LimitStatus, customer: str, service: str, estimated_tokens: int
    ) -> None:
        self.limits, self.status = limits, status
        self.customer, self.service = customer, service
        super().__init__(
            REFUSAL_CODES[status.refusal], self._words(estimated_tokens), self._details(self.retry_after)
        )

    @property
    def retry_after(self) -> int | None:
        """Seconds until the same call would be admitted; None: never."""
        passes_at = self.status.passes_at
        return None if passes_at is None else max(passes_at - self.status.second, 1)

    def _details(self, seconds: int | None) -> list[dict[str, Any]]:
        if seconds is None:
            return []
        return [retry_moment(at=instant_of(self.status.present + seconds), seconds=seconds)]

    def _words(self, estimated_tokens: int) -> str:
        if self.status.refusal is Refusal.NEVER:
            return (
                f"{self.service} accepts {self.limits.tpm:,} tokens in any 60 seconds, so a call of "
                f"{estimated_tokens:,} is never admitted. Reduce its tokens; retrying does not help."
            )
        is_rpm = self.status.refusal is Refusal.RPM
        limit = f"{self.limits.rpm:,} calls" if is_rpm else f"{self.limits.tpm:,} tokens"
        return (
            f"{self.service} accepts {limit} in any 60 seconds; this call exceeds it. "
            f"Retry in {self.retry_after} seconds."
        )
