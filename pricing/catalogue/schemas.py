"""The payloads of the catalogue endpoints, and their OpenAPI schemas."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from pricing.catalogue.estimates import Estimate
from pricing.catalogue.offering import Catalog, ItemOnSale, ServiceOnSale
from pricing.models import UNIT_SIZES, unit_text
from pricing.rules.amounts import plain
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from pricing.rules.precedence import PriceFact
from sensenova_billing.lib.api.schemas import Schema, answer, schema_ref

CURRENCY = "CNY"


def catalog_payload(catalog: Catalog) -> dict[str, Any]:
    """Return the payload of everything on sale."""
    return {
        "currency": CURRENCY,
        "in_force_from": catalog.in_force_from,
        "next_change_at": catalog.next_change_at,
        "groups": [
            {
                "family": group.family,
                "name": group.name,
                "description": group.description,
                "services": [_service_payload(service) for service in group.services],
            }
            for group in catalog.groups
        ],
    }


def estimate_payload(estimate: Estimate) -> dict[str, Any]:
    """Return the payload of an estimate."""
    return {
        "currency": CURRENCY,
        "lines": [
            {
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
            for line in estimate.lines
        ],
        "total": plain(estimate.total),
    }


def _service_payload(service: ServiceOnSale) -> dict[str, Any]:
    limit = service.call_limit
    return {
        "name": service.name,
        "billing_items": [_item_payload(item) for item in service.items],
        "call_specification": {"rpm": limit.rpm, "tpm": limit.tpm} if limit else None,
    }


def _item_payload(item: ItemOnSale) -> dict[str, Any]:
    beneath = item.list_price
    return {
        "billing_item": item.measure,
        "price": _price_payload(item.price, item.measure),
        "list_price": _price_payload(beneath, item.measure) if beneath else None,
        "upcoming": [
            {"from": change.at, "price": _price_payload(change.price, item.measure)}
            for change in item.upcoming
        ],
    }


def _price_payload(price: PriceFact, measure: Measure) -> dict[str, Any]:
    return {
        "kind": price.kind,
        "unit_price": plain(price.unit_price),
        "unit_size": price.unit_size,
        "unit": unit_text(measure=measure, unit_size=price.unit_size),
        "begins_at": price.begins_at,
        "ends_at": price.ends_at,
    }


AT = OpenApiParameter(
    "at",
    {"type": "string", "format": "date-time"},
    description="Any instant, past or to come, in RFC 3339 with an offset; without it, now.",
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    {"type": "string"},
    location=OpenApiParameter.HEADER,
    description="The ETag of a cached response: if it still matches, the response is 304 without a body.",
)

_UNAVAILABLE = "The database is unavailable; retry after Retry-After seconds."


def catalog_answers() -> dict[Any, OpenApiResponse]:
    """Return the responses of the catalogue."""
    return {
        200: answer("Everything on sale, with an ETag.", schema_ref("Catalog")),
        304: OpenApiResponse(description="The cached response is still current."),
        400: answer("A parameter cannot be read, is unknown, or is given twice.", schema_ref("Error")),
        503: answer(_UNAVAILABLE, schema_ref("Error")),
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
    refusals = {status: answer(reason, schema_ref("Error")) for status, reason in refused.items()}
    return {200: answer("What it costs.", schema_ref("Estimate")), **refusals}


def _object(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(inner: Schema) -> Schema:
    return {"type": "array", "items": inner}


def _or_null(name: str, description: str) -> Schema:
    return {"oneOf": [schema_ref(name), {"type": "null"}], "description": description}


_TEXT = {"type": "string"}
_INSTANT = {"type": "string", "format": "date-time"}
_INSTANT_OR_NULL = {"type": ["string", "null"], "format": "date-time"}
_DECIMAL = {"type": "string", "pattern": "^[0-9]+([.][0-9]+)?$", "description": "Exact."}
_CURRENCY = {"type": "string", "const": CURRENCY}
_MEASURE = {"type": "string", "enum": [str(measure) for measure in Measure]}
_KIND = {"type": "string", "enum": [str(kind) for kind in Kind]}
_TERMS: dict[str, Schema] = {
    "unit_price": _DECIMAL,
    "unit_size": {"type": "integer", "enum": list(UNIT_SIZES)},
    "unit": _TEXT | {"description": "What the unit price is for, e.g. `thousand tokens`."},
}

PRICE_SHAPES: dict[str, Schema] = {
    "Price": _object({"kind": _KIND, **_TERMS, "begins_at": _INSTANT, "ends_at": _INSTANT_OR_NULL}),
    "UpcomingPrice": _object({"from": _INSTANT, "price": schema_ref("Price")}),
    "CallSpecification": _object(
        {
            "rpm": {"type": "integer", "description": "Calls per minute."},
            "tpm": {"type": ["integer", "null"], "description": "Tokens per minute; null: no limit."},
        }
    ),
    "CatalogItem": _object(
        {
            "billing_item": _MEASURE,
            "price": schema_ref("Price") | {"description": "In force for everybody."},
            "list_price": _or_null("Price", "Beneath an offer or a free trial, where there is one."),
            "upcoming": _list(schema_ref("UpcomingPrice")),
        }
    ),
    "CatalogService": _object(
        {
            "name": _TEXT,
            "billing_items": _list(schema_ref("CatalogItem")),
            "call_specification": _or_null("CallSpecification", "By default, for each customer."),
        }
    ),
    "CatalogGroup": _object(
        {
            "family": _TEXT | {"description": "The price page's heading."},
            "name": _TEXT | {"description": "The heading below it; the same where there is none."},
            "description": _TEXT,
            "services": _list(schema_ref("CatalogService")),
        }
    ),
    "Catalog": _object(
        {
            "currency": _CURRENCY,
            "in_force_from": _INSTANT_OR_NULL
            | {"description": "The response is the same from this instant on; null: no beginning."},
            "next_change_at": _INSTANT_OR_NULL
            | {"description": "Until before this; null: no change is planned."},
            "groups": _list(schema_ref("CatalogGroup")),
        }
    ),
    "EstimateLine": _object(
        {
            "index": {"type": "integer", "description": "Which item of `usage`."},
            "service": _TEXT | {"description": "Its name, also where an alias was sent."},
            "billing_item": _MEASURE,
            "quantity": _DECIMAL,
            "price_kind": _KIND,
            **_TERMS,
            "amount": _DECIMAL,
        }
    ),
    "Estimate": _object(
        {"currency": _CURRENCY, "lines": _list(schema_ref("EstimateLine")), "total": _DECIMAL}
    ),
}
