"""The API endpoints of call limits."""

from drf_spectacular.utils import extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api_keys.authentication import ServiceKeyAuthentication, key_of
from accounts.api_keys.customer_access import customer_of_key
from accounts.api_keys.keys import recognise_cached
from accounts.api_keys.permissions import MayAdmitCalls, MayReadBilling
from sensenova_billing.lib import clock
from sensenova_billing.lib.api.endpoint import Endpoint
from sensenova_billing.lib.api.query_params import CustomerQuery, OptionalCustomerQuery, read_query
from sensenova_billing.lib.api.schemas import CUSTOMER, answer, schema_ref
from usage.limits.admission import admit_call, decode_call, release_call
from usage.limits.schemas import (
    LIMIT_HEADERS,
    RELEASED_CUSTOMER,
    ReleasePayload,
    admission_payload,
    call_refusals,
    limit_headers,
    limit_status_refusals,
    limit_statuses_payload,
)
from usage.limits.status import limit_statuses_of


class AdmissionView(Endpoint):
    """Base of the endpoints for gateways, before and after a call."""

    permission_classes = (MayAdmitCalls,)

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Cache a key for a second: looking it up would cost a round trip, as much as the admission."""
        return [ServiceKeyAuthentication(recognise_cached)]


class CallsView(AdmissionView):
    """Admits a call."""

    @extend_schema(
        operation_id="admit_call",
        summary="Ask whether a call is within the limits",
        tags=["calls"],
        description=(
            "Admits a call and reserves its estimated tokens, or answers 429 and consumes nothing. In any "
            "rolling 60 seconds at most RPM calls and TPM tokens of the customer and service are admitted. "
            "Report the call's usage with its `call_id` to settle the reservation, or release it if the call "
            "was not made. A repeated request with the same `call_id` is admitted once."
        ),
        request={"application/json": schema_ref("CallRequest")},
        parameters=LIMIT_HEADERS,
        responses={200: answer("Admitted.", schema_ref("Admission")), **call_refusals()},
    )
    def post(self, request: Request) -> Response:
        """Authenticate, parse, admit, answer."""
        call = decode_call(self.body_of(request))
        admission = admit_call(call=call, key=key_of(request), now=clock.now())
        return Response(admission_payload(admission), headers=limit_headers(admission))


class CallView(AdmissionView):
    """One admitted call."""

    @extend_schema(
        operation_id="release_call",
        summary="Release a call that was not made",
        tags=["calls"],
        description=(
            "Releases the call and its reserved tokens; a repeated request gets the same answer. Ids are "
            "unique per customer: give `customer` if several customers of the key have a call of this id."
        ),
        parameters=[RELEASED_CUSTOMER],
        responses={200: answer("Released.", schema_ref("Release")), **call_refusals(release=True)},
    )
    def delete(self, request: Request, call_id: str) -> Response:
        """Authenticate, read the query, release, answer."""
        query = read_query(OptionalCustomerQuery, request.query_params)
        release_call(call_id=call_id, customer=query["customer"], key=key_of(request))
        return Response(ReleasePayload(call_id, "released"))


class LimitsView(Endpoint):
    """The status of a customer's limits."""

    permission_classes = (MayReadBilling,)

    @extend_schema(
        operation_id="customer_limits",
        summary="Limits of a customer",
        tags=["calls"],
        description=(
            "Each service on sale to the customer with its limits now, the usage of the last 60 seconds, "
            "what remains, and how many calls were refused in this hour and the 24 before it."
        ),
        parameters=[CUSTOMER],
        responses={200: answer("The limits.", schema_ref("CustomerLimits")), **limit_status_refusals()},
    )
    def get(self, request: Request) -> Response:
        """Authenticate, read the query, answer."""
        query = read_query(CustomerQuery, request.query_params)
        customer = customer_of_key(key=key_of(request), code=query["customer"])
        statuses = limit_statuses_of(customer=customer, now=clock.now())
        return Response(limit_statuses_payload(customer=customer.code, statuses=statuses))
