"""The API endpoints of usage."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api_keys.authentication import key_of
from sensenova_billing.lib import clock
from sensenova_billing.lib.api.schemas import answer, schema_ref
from usage.ingest.authorise import report_usage
from usage.ingest.payload import decode_reports
from usage.ingest.reversal_requests import decode_reversal, reverse_usage
from usage.ingest.schemas import one_or_batch, refusals, reversal_payload, reversal_refusals, wrapped
from usage.refused.endpoint import UsageEndpoint


class UsageView(UsageEndpoint):
    """Takes usage records, one or a batch."""

    @extend_schema(
        operation_id="report_usage",
        summary="Report usage",
        tags=["usage"],
        description=(
            "Stores one record (an object) or a batch (an array of up to 10,000), all or none, and answers "
            "after the commit. An event id with the same content is counted as a duplicate, so any request "
            "may be repeated until it is answered; with other content it is rejected with 409."
        ),
        request={"application/json": one_or_batch("UsageReport")},
        responses={200: answer("Committed.", schema_ref("Receipt")), **refusals("Error")},
    )
    def post(self, request: Request) -> Response:
        """Authenticate, parse, record, answer."""
        reports = decode_reports(self.body_of(request))
        receipt = report_usage(reports=reports, key=key_of(request), now=clock.now())
        return Response(receipt)


class ReversalView(UsageEndpoint):
    """Reverses one usage record."""

    @extend_schema(
        operation_id="reverse_usage",
        summary="Reverse a usage record",
        tags=["usage"],
        description=(
            "Cancels a wrong record by a second one with negated quantities, as stored records never change, "
            "and answers after the commit. The reversal is on the bill of `billing_hour`, always later than "
            "the record's. A repeated request with the same reason gets the same answer, so any request may "
            "be repeated until it is answered; with another reason it is rejected with 409."
        ),
        request={"application/json": schema_ref("ReversalRequest")},
        responses={
            200: answer("Committed.", wrapped("reversal", schema_ref("Reversal"))),
            **reversal_refusals("Error"),
        },
    )
    def post(self, request: Request) -> Response:
        """Authenticate, parse, reverse, answer."""
        requested = decode_reversal(self.body_of(request))
        customer, reversal = reverse_usage(requested=requested, key=key_of(request), now=clock.now())
        return Response({"reversal": reversal_payload(customer=customer.code, reversal=reversal)})
