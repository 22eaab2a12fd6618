"""Responses of the catalogue endpoints: bodies and errors."""

from typing import Annotated, Any

import msgspec
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from msgspec import Meta
from msgspec.structs import asdict

from pricing.catalogue.estimates import Estimate, EstimateLine
from pricing.catalogue.offering import Catalog, ItemOnSale, ServiceOnSale
from pricing.catalogue.packages import PackageOnSale
from pricing.models import UNIT_SIZES, unit_text
from pricing.rules.amounts import plain
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from pricing.rules.methods import BillingMethod
from pricing.rules.precedence import PriceFact
from pricing.rules.validity import ValidityUnit
from sensenova_billing.lib.api.schemas import Schema, answer, schema_ref
from sensenova_billing.lib.api.strict_json import Instant

CURRENCY = "CNY"


Digits = Annotated[str, Meta(pattern="^[0-9]+([.][0-9]+)?$", description="Exact.")]
Currency = Annotated[str, Meta(extra_json_schema={"const": CURRENCY})]
UnitSize = Annotated[int, Meta(extra_json_schema={"enum": list(UNIT_SIZES)})]
Unit = Annotated[str, Meta(description="What the unit price is for, e.g. `thousand tokens`.")]


class PricePayload(msgspec.Struct, frozen=True):
    """A price of a billing item, and its period."""

    kind: Kind
    unit_price: Digits
    unit_size: UnitSize
    unit: Unit
    begins_at: Instant
    ends_at: Annotated[Instant | None, Meta(description="The end is excluded; null: no end.")]


class UpcomingPricePayload(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """A price that will be in force from an instant on."""

    from_: Instant
    price: PricePayload


class CallSpecificationPayload(msgspec.Struct, frozen=True):
    """The limits of a customer's calls to a service."""

    rpm: Annotated[int, Meta(description="Calls per minute.")]
    tpm: Annotated[int | None, Meta(description="Tokens per minute; null: no limit.")]
    excludes_cached_input: Annotated[
        bool, Meta(description="Whether input that is read from a cache does not count towards `tpm`.")
    ]


class CatalogItemPayload(msgspec.Struct, frozen=True):
    """A billing item, and its prices for everybody."""

    billing_item: Measure
    price: Annotated[PricePayload, Meta(description="In force for everybody.")]
    list_price: Annotated[
        PricePayload | None, Meta(description="Beneath an offer or a free trial, where there is one.")
    ]
    upcoming: list[UpcomingPricePayload]


class CatalogServicePayload(msgspec.Struct, frozen=True):
    """A service on sale."""

    name: str
    billing_items: list[CatalogItemPayload]
    call_specification: Annotated[
        CallSpecificationPayload | None, Meta(description="By default, for each customer.")
    ]


class CatalogGroupPayload(msgspec.Struct, frozen=True):
    """A group of services on sale."""

    family: Annotated[str, Meta(description="The price page's heading.")]
    name: Annotated[str, Meta(description="The heading below it; the same where there is none.")]
    description: str
    services: list[CatalogServicePayload]


class WeightPayload(msgspec.Struct, frozen=True):
    """How many tokens of a package a token of a billing item takes."""

    service: str
    billing_item: Measure
    weight: Digits


class CatalogPackagePayload(msgspec.Struct, frozen=True):
    """A quota package on sale, and its terms."""

    product: str
    method: Annotated[BillingMethod, Meta(description="The billing method that it brings about.")]
    services: Annotated[list[str], Meta(description="All that it covers, those of `groups` included.")]
    groups: Annotated[list[str], Meta(description="Groups of which it covers every service.")]
    tokens: Annotated[int | None, Meta(description="What it holds; null: it is bought in units.")]
    validity: Annotated[int, Meta(description="How many days or months; of units, what the price is for.")]
    validity_unit: ValidityUnit
    list_price: Annotated[Digits, Meta(description="Of the package, or of a unit for a day or month.")]
    offer_price: Annotated[Digits | None, Meta(description="What counts instead, where there is an offer.")]
    rpm: Annotated[int | None, Meta(description="While it lasts, or of a unit; null: the usual limit.")]
    tpm: Annotated[int | None, Meta(description="While it lasts, or of a unit; null: the usual limit.")]
    weights: Annotated[list[WeightPayload], Meta(description="What is not named takes one token.")]
    begins_at: Instant
    ends_at: Annotated[Instant | None, Meta(description="The end is excluded; null: no end.")]


class CatalogPayload(msgspec.Struct, frozen=True):
    """Everything on sale at an instant."""

    currency: Currency
    in_force_from: Annotated[
        Instant | None,
        Meta(description="The response is the same from this instant on; null: no beginning."),
    ]
    next_change_at: Annotated[
        Instant | None, Meta(description="Until before this; null: no change is planned.")
    ]
    groups: list[CatalogGroupPayload]
    packages: Annotated[
        list[CatalogPackagePayload], Meta(description="Quota packages, which are bought ahead.")
    ]


class OwnPricePayload(PricePayload, frozen=True):
    """A price that a customer pays."""

    is_contract_price: Annotated[bool, Meta(description="Agreed with the customer; false: everybody's.")]


class UpcomingOwnPricePayload(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """A price that a customer will pay from an instant on."""

    from_: Instant
    price: OwnPricePayload


class OwnItemPayload(msgspec.Struct, frozen=True):
    """A billing item, and what a customer pays for it."""

    service: str
    billing_item: Measure
    price: Annotated[OwnPricePayload, Meta(description="What the customer pays.")]
    list_price: Annotated[
        OwnPricePayload | None, Meta(description="Beneath an offer or a free trial, where there is one.")
    ]
    upcoming: list[UpcomingOwnPricePayload]
    for_everybody: Annotated[
        PricePayload | None, Meta(description="In force for everybody; null: not on sale to everybody.")
    ]


class CustomerCatalogPayload(CatalogPayload, frozen=True):
    """Everything on sale at an instant, and what a customer pays."""

    customer: Annotated[str, Meta(description="The customer's code.")]
    own_prices: Annotated[
        list[OwnItemPayload], Meta(description="For every billing item, in the order of `groups`.")
    ]


class EstimateLinePayload(msgspec.Struct, frozen=True):
    """What one quantity of the usage costs at one price."""

    index: Annotated[int, Meta(description="Which item of `usage`.")]
    service: Annotated[str, Meta(description="Its name, also where an alias was sent.")]
    billing_item: Measure
    quantity: Digits
    price_kind: Kind
    unit_price: Digits
    unit_size: UnitSize
    unit: Unit
    amount: Digits


class EstimatePayload(msgspec.Struct, frozen=True):
    """What the usage costs, line by line."""

    currency: Currency
    lines: list[EstimateLinePayload]
    total: Digits


class OwnEstimateLinePayload(EstimateLinePayload, frozen=True):
    """What one quantity of the usage costs a customer at one price."""

    is_contract_price: Annotated[bool, Meta(description="Agreed with the customer; false: everybody's.")]


class CustomerEstimatePayload(msgspec.Struct, frozen=True):
    """What the usage costs a customer, line by line."""

    currency: Currency
    customer: Annotated[str, Meta(description="The customer's code.")]
    lines: list[OwnEstimateLinePayload]
    total: Digits
    for_everybody: Annotated[
        EstimatePayload | None,
        Meta(description="At the prices for everybody; null: some is not on sale to everybody."),
    ]


def catalog_payload(catalog: Catalog) -> CatalogPayload:
    """Return the payload of everything on sale."""
    return CatalogPayload(
        currency=CURRENCY,
        in_force_from=catalog.in_force_from,
        next_change_at=catalog.next_change_at,
        groups=[
            CatalogGroupPayload(
                family=group.family,
                name=group.name,
                description=group.description,
                services=[_service_payload(service) for service in group.services],
            )
            for group in catalog.groups
        ],
        packages=[_package_payload(package) for package in catalog.packages],
    )


def customer_catalog_payload(catalog: Catalog, *, customer: str, own: Catalog) -> CustomerCatalogPayload:
    """Return the payload of everything on sale, and of what a customer pays."""
    general = {
        (service.name, item.measure): item.price for service in _services(catalog) for item in service.items
    }
    return CustomerCatalogPayload(
        **asdict(catalog_payload(catalog)),
        customer=customer,
        own_prices=[
            _own_item_payload(service.name, item, general.get((service.name, item.measure)))
            for service in _services(own)
            for item in service.items
        ],
    )


def estimate_payload(estimate: Estimate) -> EstimatePayload:
    """Return the payload of an estimate."""
    return EstimatePayload(
        currency=CURRENCY,
        lines=[EstimateLinePayload(**_line_fields(line)) for line in estimate.lines],
        total=plain(estimate.total),
    )


def customer_estimate_payload(
    own: Estimate, *, customer: str, general: Estimate | None
) -> CustomerEstimatePayload:
    """Return the payload of an estimate for a customer, beside that for everybody."""
    return CustomerEstimatePayload(
        currency=CURRENCY,
        customer=customer,
        lines=[
            OwnEstimateLinePayload(**_line_fields(line), is_contract_price=line.price.customer is not None)
            for line in own.lines
        ],
        total=plain(own.total),
        for_everybody=estimate_payload(general) if general else None,
    )


def _line_fields(line: EstimateLine) -> dict[str, Any]:
    return {
        "index": line.index,
        "service": line.service,
        "billing_item": line.measure,
        "quantity": str(line.quantity),
        "price_kind": line.price.kind,
        "unit_price": plain(line.price.unit_price),
        "unit_size": line.price.unit_size,
        "unit": unit_text(measure=line.measure, unit_size=line.price.unit_size),
        "amount": plain(line.amount),
    }


def _services(catalog: Catalog) -> list[ServiceOnSale]:
    return [service for group in catalog.groups for service in group.services]


def _package_payload(package: PackageOnSale) -> CatalogPackagePayload:
    return CatalogPackagePayload(
        product=package.product,
        method=package.method,
        services=package.services,
        groups=package.groups,
        tokens=package.tokens,
        validity=package.validity,
        validity_unit=package.validity_unit,
        list_price=plain(package.list_price),
        offer_price=None if package.offer_price is None else plain(package.offer_price),
        rpm=package.rpm,
        tpm=package.tpm,
        weights=[
            WeightPayload(service=one.service, billing_item=one.measure, weight=plain(one.weight))
            for one in package.weights
        ],
        begins_at=package.begins_at,
        ends_at=package.ends_at,
    )


def _service_payload(service: ServiceOnSale) -> CatalogServicePayload:
    limit = service.call_limit
    return CatalogServicePayload(
        name=service.name,
        billing_items=[_item_payload(item) for item in service.items],
        call_specification=CallSpecificationPayload(limit.rpm, limit.tpm, limit.excludes_cached_input)
        if limit
        else None,
    )


def _item_payload(item: ItemOnSale) -> CatalogItemPayload:
    beneath = item.list_price
    return CatalogItemPayload(
        billing_item=item.measure,
        price=_price_payload(item.price, item.measure),
        list_price=_price_payload(beneath, item.measure) if beneath else None,
        upcoming=[
            UpcomingPricePayload(change.at, _price_payload(change.price, item.measure))
            for change in item.upcoming
        ],
    )


def _own_item_payload(service: str, item: ItemOnSale, general: PriceFact | None) -> OwnItemPayload:
    beneath = item.list_price
    return OwnItemPayload(
        service=service,
        billing_item=item.measure,
        price=_own_price_payload(item.price, item.measure),
        list_price=_own_price_payload(beneath, item.measure) if beneath else None,
        upcoming=[
            UpcomingOwnPricePayload(change.at, _own_price_payload(change.price, item.measure))
            for change in item.upcoming
        ],
        for_everybody=_price_payload(general, item.measure) if general else None,
    )


def _own_price_payload(price: PriceFact, measure: Measure) -> OwnPricePayload:
    return OwnPricePayload(
        **asdict(_price_payload(price, measure)), is_contract_price=price.customer is not None
    )


def _price_payload(price: PriceFact, measure: Measure) -> PricePayload:
    return PricePayload(
        kind=price.kind,
        unit_price=plain(price.unit_price),
        unit_size=price.unit_size,
        unit=unit_text(measure=measure, unit_size=price.unit_size),
        begins_at=price.begins_at,
        ends_at=price.ends_at,
    )


AT = OpenApiParameter(
    "at",
    {"type": "string", "format": "date-time"},
    description="Any instant, past or to come, in RFC 3339 with an offset; without it, now.",
)
FOR_CUSTOMER = OpenApiParameter(
    "customer",
    {"type": "string", "minLength": 1, "maxLength": 64},
    description="The code of the customer whose own prices are wanted; its own key needs none.",
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    {"type": "string"},
    location=OpenApiParameter.HEADER,
    description="The ETag of a cached response: if it still matches, the response is 304 without a body.",
)

_KEY_REFUSED = {
    401: "The key is not valid, or a customer is named without one.",
    403: "A customer is named, and the key lacks the scope billing:read.",
    404: "There is no such customer, or the key may not see it.",
}
_UNAVAILABLE = "The database is unavailable; retry after Retry-After seconds."


def catalog_answers() -> dict[Any, OpenApiResponse]:
    """Return the responses of the catalogue."""
    refused = {400: "A parameter cannot be read, is unknown, or is given twice.", 503: _UNAVAILABLE}
    return {
        200: answer("Everything on sale, with an ETag.", _either("CustomerCatalog", "Catalog")),
        304: OpenApiResponse(description="The cached response is still current."),
        **_refusals(refused),
    }


def estimate_answers() -> dict[Any, OpenApiResponse]:
    """Return the responses of an estimate."""
    refused = {
        400: "The body is not JSON, is no such object, or holds no usage or too much of it.",
        413: "The body is larger than 1 MiB, or holds more than 10,000 values.",
        415: "The content type is not JSON, or the content encoding is not gzip.",
        422: "Some of the usage cannot be priced; every bad item is named by its index, with its reason.",
        503: _UNAVAILABLE,
    }
    return {200: answer("What it costs.", _either("CustomerEstimate", "Estimate")), **_refusals(refused)}


def _either(*names: str) -> Schema:
    return {"anyOf": [schema_ref(name) for name in names]}


def _refusals(reasons: dict[int, str]) -> dict[Any, OpenApiResponse]:
    reasons = dict(sorted((reasons | _KEY_REFUSED).items()))
    return {status: answer(reason, schema_ref("Error")) for status, reason in reasons.items()}
