"""What a refusal tells for counting."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sensenova_billing.lib.api.errors import ApiError, ItemProblem
from usage.models import RefusalReason


@dataclass(frozen=True)
class RecordProblem(ItemProblem):
    """What is wrong with one record, and under which reason it is counted."""

    counted_as: RefusalReason = RefusalReason.INVALID_VALUE


class UsageError(ApiError):
    """Usage, or its reversal, cannot be taken.

    For counting: `reasons` of the records that are wrong, and `customers`, the code that each record in the
    request names (any JSON value), both by index.
    """

    reasons: Mapping[int, RefusalReason] = {}
    customers: Mapping[int, Any] = {}
