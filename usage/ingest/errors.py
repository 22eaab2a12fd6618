"""Errors of ingest; sensenova_billing/http/errors.py gives each its status."""

from collections.abc import Mapping, Sequence
from typing import Any

from sensenova_billing.lib.api.errors import DETAILS_SHOWN
from usage.models import RefusalReason
from usage.refused.errors import RecordProblem, UsageError


class InvalidUsage(UsageError):
    """Some records are not valid; all are counted, the first hundred problems are in the details."""

    def __init__(self, problems: Sequence[RecordProblem], customers: Mapping[int, Any] | None = None) -> None:
        self.customers = customers or {}
        self.reasons = {problem.index: problem.counted_as for problem in reversed(problems)}
        bad = len(self.reasons)
        records, them = ("1 record was", "it") if bad == 1 else (f"{bad:,} records were", "them")
        super().__init__(
            "invalid_usage",
            f"{records} rejected. Nothing was stored; fix {them} and resend the batch.",
            [
                {"index": problem.index, "field": problem.field, "reason": problem.reason}
                for problem in problems[:DETAILS_SHOWN]
            ],
        )


class UsageConflict(UsageError):
    """An event id is stored with other content; the details show both."""

    def __init__(self, differences: Sequence[dict[str, Any]]) -> None:
        self.reasons = {one["index"]: RefusalReason.CONFLICTING_USAGE for one in differences}
        super().__init__(
            "conflicting_usage",
            "An event id is already stored with other content. Nothing was stored.",
            differences[:DETAILS_SHOWN],
        )


class NotReversible(UsageError):
    """The record cannot be reversed, or the request is not valid."""

    reasons = {0: RefusalReason.NOT_REVERSIBLE}

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(
            "not_reversible",
            "The record cannot be reversed. Nothing was stored.",
            [{"index": 0, "field": field, "reason": reason}],
        )


class AlreadyReversed(UsageError):
    """The record is already reversed, for another reason."""

    reasons = {0: RefusalReason.ALREADY_REVERSED}

    def __init__(self, *, event_id: str, stored: str, sent: str) -> None:
        super().__init__(
            "already_reversed",
            "The record is already reversed, for another reason. Nothing was stored.",
            [{"index": 0, "event_id": event_id, "field": "reason", "stored": stored, "sent": sent}],
        )
