"""Responses of the endpoint of budgets."""

from typing import Annotated, Any, Literal, cast

import msgspec
from drf_spectacular.utils import OpenApiParameter
from msgspec import Meta

from invoices.budgets.windows import PresentWindow
from invoices.drilldown.schemas import Digits
from pricing.rules.amounts import plain
from sensenova_billing.lib.api.schemas import CUSTOMER, answer, schema_ref
from sensenova_billing.lib.api.strict_json import Instant

ROWS_A_PAGE, MOST_A_PAGE = 100, 1000
CURSOR = "^[1-9][0-9]{0,17}$"
_Percent = Annotated[int, Meta(ge=1, le=100)]


class BudgetPayload(msgspec.Struct, frozen=True):
    """What is to be spent in each hour, day, week or month, and how far it is used in the present one."""

    id: int
    service: Annotated[str | None, Meta(description="Null: all services.")]
    metadata: Annotated[
        dict[str, str] | None,
        Meta(description="The name and value that its calls have in their metadata; null: all calls."),
    ]
    period: Literal["hour", "day", "week", "month"]
    cap: Annotated[Digits, Meta(description="In RMB.")]
    stops_calls: Annotated[bool, Meta(description="Whether calls that may cost more are refused.")]
    alerts_at: Annotated[list[_Percent], Meta(description="Percent of the cap.")]
    begins_at: Annotated[Instant, Meta(description="The beginning of the present window.")]
    resets_at: Annotated[Instant, Meta(description="Its end.")]
    used: Annotated[
        Digits, Meta(description="Bills of its closed hours, and what its open hours would cost.")
    ]
    reserved: Annotated[
        Digits,
        Meta(description="What admitted calls may cost whose usage is not in `used`; 0 without a stop."),
    ]
    remaining: Annotated[Digits, Meta(description="What is neither used nor reserved; not below 0.")]
    as_of: Annotated[Instant | None, Meta(description="When `used` was read; null: not yet in this window.")]
    alerts_reached: Annotated[list[_Percent], Meta(description="Shares that were reached in this window.")]
    calls_refused_since: Annotated[
        Instant | None, Meta(description="When a call of this window was first refused; null: none was.")
    ]
    currency: Literal["CNY"] = "CNY"


class BudgetsPayload(msgspec.Struct, frozen=True):
    """A page of budgets."""

    budgets: list[BudgetPayload]
    next: Annotated[str | None, Meta(description="`after` of the next page; null on the last.")]


PARAMETERS = [
    CUSTOMER,
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MOST_A_PAGE, "default": ROWS_A_PAGE},
        description="How many entries a page holds.",
    ),
    OpenApiParameter(
        "after",
        {"type": "string", "pattern": CURSOR},
        description="`next` of the page before; without it, the first page.",
    ),
]
_REFUSALS = {
    400: "A parameter cannot be read, is unknown, or is given twice; each is named with its reason.",
    401: "The service key is missing or not valid.",
    403: "The key lacks the scope billing:read.",
    404: "There is no such customer, or the key may not see it.",
    503: "The database is unavailable; retry after Retry-After seconds.",
}


def answers() -> dict[Any, Any]:
    """Return the responses of the endpoint."""
    return {200: answer("A page.", schema_ref("Budgets"))} | {
        status: answer(why, schema_ref("Error")) for status, why in _REFUSALS.items()
    }


def budget_payload(window: PresentWindow) -> BudgetPayload:
    """Return the payload of a budget with its present window."""
    budget, use = window.budget, window.use
    return BudgetPayload(
        id=budget.pk,
        service=budget.service.name if budget.service else None,
        metadata={budget.metadata_name: budget.metadata_value} if budget.metadata_name else None,
        period=cast(Any, budget.period),
        cap=f"{budget.amount:f}",
        stops_calls=budget.is_cap,
        alerts_at=budget.alerts_at,
        begins_at=window.begins_at,
        resets_at=window.ends_at,
        used=plain(window.used),
        reserved=plain(window.held),
        remaining=plain(window.left),
        as_of=use.as_of if use else None,
        alerts_reached=window.shares_reached,
        calls_refused_since=use.stopped_at if use else None,
    )
