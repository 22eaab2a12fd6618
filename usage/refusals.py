"""Why usage is refused; the API gives each kind its status."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from accounts.refusals import DETAILS_SHOWN, Problem, Refused
from usage.refusal_reasons import RefusalReason
from usage.windows import CallLimits, Refusal, Standing

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


@dataclass(frozen=True)
class RecordProblem(Problem):
    """What is wrong with one record, and under which reason it is counted."""

    counted_as: RefusalReason = RefusalReason.INVALID_VALUE


class UsageRefused(Refused):
    """Usage, or its reversal, cannot be taken.

    For counting: `reasons` of the records that are wrong, and `customers`, the code that each record in the
    request names (any JSON value), both by index.
    """

    reasons: Mapping[int, RefusalReason] = {}
    customers: Mapping[int, Any] = {}


class BadBatch(UsageRefused):
    """Some records cannot be taken as they are; every bad one is named, the first hundred in detail."""

    def __init__(self, problems: Sequence[RecordProblem], customers: Mapping[int, Any] | None = None) -> None:
        self.customers = customers or {}
        self.reasons = {problem.index: problem.counted_as for problem in reversed(problems)}
        bad = len(self.reasons)
        noun = "record" if bad == 1 else "records"
        super().__init__(
            "invalid_usage",
            f"{bad:,} {noun} cannot be taken. Nothing was stored; send the batch again when it is mended.",
            [
                {"index": problem.index, "field": problem.field, "reason": problem.reason}
                for problem in problems[:DETAILS_SHOWN]
            ],
        )


class Conflict(UsageRefused):
    """An event id is known with other content; both are shown."""

    def __init__(self, differences: Sequence[dict[str, Any]]) -> None:
        self.reasons = {one["index"]: RefusalReason.CONFLICTING_USAGE for one in differences}
        super().__init__(
            "conflicting_usage",
            "An event id was used before with other content. Nothing was stored.",
            differences[:DETAILS_SHOWN],
        )


class NotReversible(UsageRefused):
    """What was asked to be reversed cannot be; the field says why."""

    reasons = {0: RefusalReason.NOT_REVERSIBLE}

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(
            "not_reversible",
            "This cannot be reversed. Nothing was stored.",
            [{"index": 0, "field": field, "reason": reason}],
        )


class AlreadyReversed(UsageRefused):
    """The record was reversed before, for another reason."""

    reasons = {0: RefusalReason.ALREADY_REVERSED}

    def __init__(self, *, event_id: str, stored: str, sent: str) -> None:
        super().__init__(
            "already_reversed",
            "This record was reversed before. Nothing was stored.",
            [{"index": 0, "event_id": event_id, "field": "reason", "stored": stored, "sent": sent}],
        )


class CallRefused(Refused):
    """A call is not admitted, or what is asked about one cannot be done; it consumed nothing."""


class CallUnclear(CallRefused):
    """What was asked cannot be read, or names a customer or a service that is not there."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(
            "invalid_call",
            "This call cannot be admitted or released as it is named.",
            [{"index": 0, "field": field, "reason": reason}],
        )


class CallBarred(CallRefused):
    """The customer may not make this call, whatever the limits."""


class CallUnknown(CallRefused):
    """There is no admitted call of this id."""

    def __init__(self) -> None:
        super().__init__("unknown_call", "No call of this id was admitted within the last hour.")


class CallTaken(CallRefused):
    """The call's id, or its end, is taken already."""


class LimitsExhausted(CallRefused):
    """The call does not fit into the limits now, or never would."""

    def __init__(
        self, *, limits: CallLimits, standing: Standing, service: str, estimated_tokens: int
    ) -> None:
        self.limits, self.standing = limits, standing
        super().__init__(REFUSAL_CODES[standing.refusal], _words(limits, standing, service, estimated_tokens))

    @property
    def retry_after(self) -> int | None:
        """In how many seconds the same call would be admitted; None: never."""
        passes_at = self.standing.passes_at
        return None if passes_at is None else max(passes_at - self.standing.second, 1)


def _words(limits: CallLimits, standing: Standing, service: str, estimated_tokens: int) -> str:
    if standing.refusal is Refusal.NEVER:
        return (
            f"{service} takes {limits.tpm:,} tokens in any 60 seconds: a call of {estimated_tokens:,} never "
            "fits. Make it smaller; asking again does not help."
        )
    taken = f"{limits.rpm:,} calls" if standing.refusal is Refusal.RPM else f"{limits.tpm:,} tokens"
    return f"{service} takes {taken} in any 60 seconds; this would be more. Retry-After says when it fits."
