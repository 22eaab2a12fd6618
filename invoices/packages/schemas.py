"""Responses of the endpoints of packages: bodies and errors."""

from typing import Annotated, Any

import msgspec
from drf_spectacular.utils import OpenApiParameter
from msgspec import Meta

from invoices.drilldown.schemas import Digits
from invoices.models import PackageDraw
from invoices.packages.forms import MOST_ROWS, ROWS_A_PAGE
from invoices.packages.status import PackageState, PackageStatus
from pricing.rules.amounts import plain
from pricing.rules.measures import Measure
from pricing.rules.methods import PACKAGE_METHODS
from sensenova_billing.lib.api.schemas import answer, schema_ref
from sensenova_billing.lib.api.strict_json import Instant


class PackageRefundPayload(msgspec.Struct, frozen=True):
    """A refund that was ordered, and its credit."""

    ordered_at: Instant
    ends_at: Annotated[Instant, Meta(description="When the package ends.")]
    credit: Annotated[str | None, Meta(description="Its number; null until the hour of the order is closed.")]
    left: Annotated[Digits | None, Meta(description="Tokens, or units times days or months, credited.")]
    amount: Annotated[Digits | None, Meta(description="In RMB; a share without an end is cut off.")]
    credited: Annotated[Digits | None, Meta(description="The amount, cut off to the fen.")]


class QuotaPackagePayload(msgspec.Struct, frozen=True):
    """A quota package that a customer bought."""

    number: str
    customer: str
    product: str
    method: Annotated[str, Meta(extra_json_schema={"enum": [str(method) for method in PACKAGE_METHODS]})]
    services: Annotated[list[str], Meta(description="What it covers.")]
    state: PackageState
    tokens: Annotated[int | None, Meta(description="Null of a TPM package.")]
    used: Annotated[Digits | None, Meta(description="Tokens drawn by closed hours; null of a TPM package.")]
    left: Annotated[Digits | None, Meta(description="Null of a TPM package.")]
    units: Annotated[int | None, Meta(description="Null of a Tokens package.")]
    rpm: int | None
    tpm: int | None
    bought_at: Instant
    begins_at: Instant
    expires_at: Instant
    ended_at: Annotated[Instant | None, Meta(description="Where it ended before it expired.")]
    price: Annotated[Digits, Meta(description="In RMB; of a TPM package that of a unit per day or month.")]
    quantity: int
    amount: Annotated[Digits, Meta(description="Price times quantity.")]
    renews: Annotated[bool, Meta(description="Whether the same product is bought again when it ends.")]
    refund: Annotated[PackageRefundPayload | None, Meta(description="Null where none was ordered.")]


class QuotaPackagesPayload(msgspec.Struct, frozen=True):
    """A page of a customer's quota packages."""

    packages: list[QuotaPackagePayload]
    next: Annotated[str | None, Meta(description="`after` of the next page; null on the last.")]


class PackageDrawPayload(msgspec.Struct, frozen=True):
    """What an hourly bill drew from a package, or gave back to it for reversed calls."""

    bill: Annotated[str, Meta(description="The bill's number.")]
    hour: Annotated[Instant, Meta(description="The billing hour.")]
    left_before: Digits
    tokens: Annotated[Digits, Meta(description="Drawn; below 0 what was given back.")]
    left: Digits
    ran_out_at: Annotated[
        Instant | None, Meta(description="The instant of the call of which only a part is covered.")
    ]
    ran_out_event_id: Annotated[str | None, Meta(description="That call's event id.")]
    ran_out_measure: Annotated[
        Measure | None, Meta(description="Its billing item in which the package ran out.")
    ]
    ran_out_quantity: Annotated[int | None, Meta(description="How much of that billing item is covered.")]


class PackageDrawsPayload(msgspec.Struct, frozen=True):
    """A page of the log of a package."""

    package: str
    draws: list[PackageDrawPayload]
    next: Annotated[str | None, Meta(description="`after` of the next page; null on the last.")]


def packages_payload(statuses: list[PackageStatus], *, next_after: int | None) -> QuotaPackagesPayload:
    """Return the payload of a page of packages."""
    return QuotaPackagesPayload([_package_payload(one) for one in statuses], _key(next_after))


def draws_payload(*, number: str, draws: list[PackageDraw], next_after: int | None) -> PackageDrawsPayload:
    """Return the payload of a page of draws."""
    return PackageDrawsPayload(number, [_draw_payload(one) for one in draws], _key(next_after))


def _package_payload(status: PackageStatus) -> QuotaPackagePayload:
    package, purchase = status.package, status.purchase
    return QuotaPackagePayload(
        number=package.number,
        customer=purchase.customer_code,
        product=package.product_name,
        method=package.method,
        services=sorted(period.service.name for period in package.periods.all()),
        state=status.state,
        tokens=package.tokens,
        used=None if status.used is None else plain(status.used),
        left=None if status.left is None else plain(status.left),
        units=package.units,
        rpm=package.rpm,
        tpm=package.tpm,
        bought_at=package.bought_at,
        begins_at=package.begins_at,
        expires_at=package.expires_at,
        ended_at=package.ended_at,
        price=plain(purchase.price),
        quantity=purchase.quantity,
        amount=plain(purchase.amount),
        renews=status.renews,
        refund=_refund_payload(status),
    )


def _refund_payload(status: PackageStatus) -> PackageRefundPayload | None:
    if status.refund is None:
        return None
    credit = status.credit
    return PackageRefundPayload(
        ordered_at=status.refund.ordered_at,
        ends_at=status.refund.ends_at,
        credit=credit.number if credit else None,
        left=plain(credit.left) if credit else None,
        amount=plain(credit.amount) if credit else None,
        credited=plain(credit.credited) if credit else None,
    )


def _draw_payload(draw: PackageDraw) -> PackageDrawPayload:
    ran_out = draw.ran_out_at is not None
    return PackageDrawPayload(
        bill=draw.bill.number,
        hour=draw.bill.hour_id,
        left_before=plain(draw.left_before),
        tokens=plain(-draw.tokens if draw.is_return else draw.tokens),
        left=plain(draw.left),
        ran_out_at=draw.ran_out_at,
        ran_out_event_id=draw.ran_out_event_id,
        ran_out_measure=Measure(draw.ran_out_measure) if ran_out else None,
        ran_out_quantity=draw.ran_out_quantity if ran_out else None,
    )


def _key(number: int | None) -> str | None:
    return None if number is None else str(number)


AFTER = OpenApiParameter(
    "after",
    {"type": "string", "pattern": "^[1-9][0-9]{0,17}$"},
    description="`next` of the page before; without it, the first page.",
)
LIMIT = OpenApiParameter(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": ROWS_A_PAGE},
    description="How many entries a page holds.",
)
STATE = OpenApiParameter(
    "state",
    {"type": "string", "enum": [state.value for state in PackageState]},
    description="Only packages in this state now.",
)
NUMBER = OpenApiParameter("number", {"type": "string"}, location=OpenApiParameter.PATH)

_REFUSALS = {
    400: "A parameter cannot be read, is unknown, or is given twice; each is named with its reason.",
    401: "The service key is missing or not valid.",
    403: "The key lacks the scope billing:read.",
    404: "There is no such customer or package, or the key may not see it.",
    503: "The database is unavailable; retry after Retry-After seconds.",
}


def answers(description: str, schema: str) -> dict[Any, Any]:
    """Return the responses of an endpoint of packages."""
    refused = {status: answer(why, schema_ref("Error")) for status, why in _REFUSALS.items()}
    return {200: answer(description, schema_ref(schema)), **refused}
