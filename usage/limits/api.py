"""The HTTP doors of call limits."""

from drf_spectacular.utils import extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api_keys.authentication import ServiceKeyAuthentication, key_of
from accounts.api_keys.customer_access import customer_of_key
from accounts.api_keys.keys import recognise_briefly
from accounts.api_keys.permissions import MayAdmitCalls, MayReadBilling
from sensenova_billing.lib import clock
from sensenova_billing.lib.api.endpoint import Door, SwiftJson
from sensenova_billing.lib.api.query_params import CustomerQuery, OptionalCustomerQuery, read_query
from sensenova_billing.lib.api.schemas import CUSTOMER, answer, shape
from usage.limits.admission import admit_call, decode_call, release_call
from usage.limits.schemas import (
    RELEASED_CUSTOMER,
    admission_payload,
    call_refusals,
    limit_headers,
    limit_status_refusals,
    limit_statuses_payload,
)
from usage.limits.status import limit_statuses_of


class AdmissionView(Door):
    """What gateways ask before and after a call, with a key that may; it moves no money."""

    permission_classes = (MayAdmitCalls,)
    renderer_classes = (SwiftJson,)

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Keep a key for a second: a trip to the database for it would cost as much as the admission."""
        return [ServiceKeyAuthentication(recognise_briefly)]


class CallsView(AdmissionView):
    """Admits calls."""

    @extend_schema(
        operation_id="admit_call",
        summary="Ask whether a call is within the limits",
        tags=["calls"],
        description=(
            "Admits a call and holds its estimated tokens, or answers 429 and consumes nothing. In no 60 "
            "seconds, wherever they start, are more calls admitted than the RPM, nor more tokens than the "
            "TPM, of the customer and service. Report the call's usage with its `call_id`, which settles "
            "what it holds; or release it if it was not made. Asked again with the same `call_id` it is "
            "admitted once."
        ),
        request={"application/json": shape("CallRequest")},
        responses={200: answer("Admitted.", shape("Admission")), **call_refusals()},
    )
    def post(self, request: Request) -> Response:
        """Authenticate, parse, admit, answer."""
        asked = decode_call(self.body_of(request))
        admission = admit_call(asked=asked, key=key_of(request), now=clock.now())
        headers = limit_headers(admission.limits, admission.status)
        return Response(admission_payload(admission), headers=headers)


class CallView(AdmissionView):
    """One admitted call."""

    @extend_schema(
        operation_id="release_call",
        summary="Release a call that was not made",
        tags=["calls"],
        description=(
            "Gives back the call and the tokens that it holds. Asked again it answers the same. An id is a "
            "customer's own: name the customer with a key for several, unless only one of them has a call of "
            "this id."
        ),
        parameters=[RELEASED_CUSTOMER],
        responses={200: answer("Released.", shape("Release")), **call_refusals(release=True)},
    )
    def delete(self, request: Request, call_id: str) -> Response:
        """Authenticate, read the query, release, answer."""
        asked = read_query(OptionalCustomerQuery, request.query_params)
        release_call(call_id=call_id, customer=asked["customer"], key=key_of(request))
        return Response({"call_id": call_id, "state": "released"})


class LimitsView(Door):
    """How a customer stands with its limits."""

    permission_classes = (MayReadBilling,)

    @extend_schema(
        operation_id="customer_limits",
        summary="Limits of a customer",
        tags=["calls"],
        description=(
            "Each service on sale to the customer with the limits that apply now, what counts in the last 60 "
            "seconds, what is left, and how many calls were refused in this hour and the 24 before it."
        ),
        parameters=[CUSTOMER],
        responses={200: answer("The limits.", shape("CustomerLimits")), **limit_status_refusals()},
    )
    def get(self, request: Request) -> Response:
        """Authenticate, read the query, answer."""
        asked = read_query(CustomerQuery, request.query_params)
        customer = customer_of_key(key=key_of(request), code=asked["customer"])
        statuses = limit_statuses_of(customer=customer, now=clock.now())
        return Response(limit_statuses_payload(customer=customer.code, statuses=statuses))
