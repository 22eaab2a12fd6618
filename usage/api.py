"""The HTTP doors of usage."""

from typing import Any, cast

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import key_of
from accounts.permissions import MayReportUsage
from usage.reading import WholeBody, body_of
from usage.reporting import report_usage
from usage.reports import MAX_BATCH, decode_reports

_REPORT = {"$ref": "#/components/schemas/UsageReport"}
_BATCH = {"type": "array", "items": _REPORT, "minItems": 1, "maxItems": MAX_BATCH}
_RECEIPT = {
    "type": "object",
    "properties": {"accepted": {"type": "integer"}, "duplicates": {"type": "integer"}},
    "required": ["accepted", "duplicates"],
}


def _error(description: str) -> OpenApiResponse:
    return OpenApiResponse(cast(Any, {"$ref": "#/components/schemas/Error"}), description)


class UsageView(APIView):
    """Takes usage records, one or a batch."""

    parser_classes = (WholeBody,)
    permission_classes = (MayReportUsage,)

    @extend_schema(
        operation_id="report_usage",
        summary="Report usage",
        tags=["usage"],
        description=(
            "Stores one record (an object) or a batch (an array of up to 10,000), whole or not at all. "
            "Answers after the commit. The same event id with the same content is counted as a duplicate, so "
            "any request may be repeated until it is answered; with other content it is refused with 409."
        ),
        request={"application/json": {"oneOf": [_REPORT, _BATCH]}},
        responses={
            200: OpenApiResponse(cast(Any, _RECEIPT), "Committed."),
            400: _error("The body is not JSON, is empty, or holds too many records."),
            401: _error("No service key, or one that is not live."),
            403: _error("The key lacks the scope usage:write."),
            409: _error("An event id is known with other content."),
            413: _error("The body is larger than 16 MiB."),
            415: _error("The content type is not application/json."),
            422: _error("Some records cannot be taken; each is named with field and reason."),
            503: _error("The database is away; send it again after Retry-After seconds."),
        },
    )
    def post(self, request: Request) -> Response:
        """Authenticate, parse, record, answer."""
        reports = decode_reports(body_of(request))
        receipt = report_usage(reports=reports, key=key_of(request), now=timezone.now())
        return Response({"accepted": receipt.accepted, "duplicates": receipt.duplicates})
