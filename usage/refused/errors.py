"""Errors of usage, with what the counters need."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sensenova_billing.lib.api.errors import ApiError, ItemProblem
from usage.models import RefusalReason


@dataclass(frozen=True)
class RecordProblem(ItemProblem):
    """A problem of one record, and the reason under which it is counted."""

    counted_as: RefusalReason = RefusalReason.INVALID_VALUE


class UsageError(ApiError):
    """Usage or a reversal was rejected.

    For the counters: `reasons` of the bad records, and `customers`, the code in each record of the request
    (any JSON value), both by index.
    """

    reasons: Mapping[int, RefusalReason] = {}
    customers: Mapping[int, Any] = {}
