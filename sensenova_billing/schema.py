"""The components of the OpenAPI document, to which the views refer."""

from typing import Any

from invoices.budgets.schemas import BudgetsPayload
from invoices.drilldown.schemas import LineRecordsPayload, RecordTracePayload
from invoices.packages.schemas import PackageDrawsPayload, QuotaPackagesPayload
from invoices.usage_report.schemas import (
    BillsPayload,
    BillWithLinesPayload,
    ChargeLinesPayload,
    SealsPayload,
    UsagePagePayload,
    UsageSummaryPayload,
)
from pricing.catalogue.estimates import EstimateRequest
from pricing.catalogue.schemas import (
    CatalogPayload,
    CustomerCatalogPayload,
    CustomerEstimatePayload,
    EstimatePayload,
)
from pricing.rules.measures import Measure
from sensenova_billing.lib.api.retry import RetryMomentPayload
from sensenova_billing.lib.api.schemas import components_of, schema_ref
from usage.clients.schemas import CLIENT_SCHEMAS, LiteLLMReceipt
from usage.ingest.payload import UsageReport
from usage.ingest.record import Receipt
from usage.ingest.reversal_requests import ReversalRequest
from usage.ingest.schemas import ReversalPayload
from usage.limits.admission import CallRequest
from usage.limits.schemas import AdmissionPayload, CustomerLimitsPayload, ReleasePayload

REQUESTS = (UsageReport, ReversalRequest, EstimateRequest, CallRequest)
RESPONSES = (
    Receipt,
    LiteLLMReceipt,
    ReversalPayload,
    AdmissionPayload,
    ReleasePayload,
    CustomerLimitsPayload,
    CatalogPayload,
    CustomerCatalogPayload,
    EstimatePayload,
    CustomerEstimatePayload,
    LineRecordsPayload,
    RecordTracePayload,
    QuotaPackagesPayload,
    PackageDrawsPayload,
    BillsPayload,
    BillWithLinesPayload,
    ChargeLinesPayload,
    SealsPayload,
    BudgetsPayload,
    UsagePagePayload,
    UsageSummaryPayload,
    RetryMomentPayload,
)

ERROR = {
    "type": "object",
    "description": "Every error has this schema; after any of them nothing was stored.",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"type": "string", "description": "For programs; does not change."},
                "message": {"type": "string", "description": "For people: what happened, and what to do."},
                "details": {
                    "type": "array",
                    "items": {"anyOf": [schema_ref("RetryMoment"), {}]},
                    "description": (
                        "E.g. every bad item of a batch, the first hundred; or the moment at which to retry."
                    ),
                },
                "request_id": {
                    "type": "string",
                    "description": "Also in X-Request-ID and in the log; errors of a proxy lack it.",
                },
                "type": {"const": "rate_limit_error", "description": "With 429: clients of OpenAI read it."},
            },
            "required": ["code", "message", "details"],
        }
    },
    "required": ["error"],
}


# What msgspec cannot say of a report and an estimate. Without a type, the pages at /api/docs show them as
# impossible.
_ONE_OR_THE_OTHER = {"not": {"type": "object", "required": ["input_characters", "input_text"]}}
_AT_LEAST_ONE = {"anyOf": [{"required": [name]} for name in (*map(str, Measure), "input_text")]}


def add_components(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Add the schemas to the document: of the types of bodies, and of clients' formats."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas |= components_of([*REQUESTS, *RESPONSES])
    schemas["UsageReport"] |= _ONE_OR_THE_OTHER
    schemas["EstimatedUsage"] |= _ONE_OR_THE_OTHER | _AT_LEAST_ONE
    schemas |= CLIENT_SCHEMAS | {"Error": ERROR}
    return result


def require_bodies(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Say that no operation takes a request without a body, where it takes one at all."""
    for path in result["paths"].values():
        for operation in path.values():
            if "requestBody" in operation:
                operation["requestBody"]["required"] = True
    return result
