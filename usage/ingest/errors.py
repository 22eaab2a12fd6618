"""Why usage is refused; the API gives each kind its status."""

from collections.abc import Mapping, Sequence
from typing import Any

from sensenova_billing.lib.api.errors import DETAILS_SHOWN
from usage.models import RefusalReason
from usage.refused.errors import RecordProblem, UsageError


class InvalidUsage(UsageError):
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


class UsageConflict(UsageError):
    """An event id is known with other content; both are shown."""

    def __init__(self, differences: Sequence[dict[str, Any]]) -> None:
        self.reasons = {one["index"]: RefusalReason.CONFLICTING_USAGE for one in differences}
        super().__init__(
            "conflicting_usage",
            "An event id was used before with other content. Nothing was stored.",
            differences[:DETAILS_SHOWN],
        )


class NotReversible(UsageError):
    """What was asked to be reversed cannot be; the field says why."""

    reasons = {0: RefusalReason.NOT_REVERSIBLE}

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(
            "not_reversible",
            "This cannot be reversed. Nothing was stored.",
            [{"index": 0, "field": field, "reason": reason}],
        )


class AlreadyReversed(UsageError):
    """The record was reversed before, for another reason."""

    reasons = {0: RefusalReason.ALREADY_REVERSED}

    def __init__(self, *, event_id: str, stored: str, sent: str) -> None:
        super().__init__(
            "already_reversed",
            "This record was reversed before. Nothing was stored.",
            [{"index": 0, "event_id": event_id, "field": "reason", "stored": stored, "sent": sent}],
        )
