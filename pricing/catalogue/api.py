"""The endpoints of the catalogue: what is on sale, and what usage would cost.

Anybody may read the prices for everybody. A customer's own come beside them for a key that may read them.
"""

import datetime as dt
import hashlib

from django.http import HttpResponseNotModified
from django.http.response import HttpResponseBase
from django.utils.http import parse_etags
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api_keys.authentication import key_of
from accounts.api_keys.customer_access import customer_of_key
from accounts.api_keys.permissions import MayReadBilling
from accounts.models import Customer
from pricing.catalogue.estimates import decode_estimate, estimate, estimates_of
from pricing.catalogue.forms import CatalogQuery
from pricing.catalogue.offering import Catalog, catalog_at, catalogs_of
from pricing.catalogue.schemas import (
    AT,
    FOR_CUSTOMER,
    IF_NONE_MATCH,
    CatalogPayload,
    catalog_answers,
    catalog_payload,
    customer_catalog_payload,
    customer_estimate_payload,
    estimate_answers,
    estimate_payload,
)
from sensenova_billing.lib import clock
from sensenova_billing.lib.api.endpoint import Endpoint, FastJsonRenderer
from sensenova_billing.lib.api.query_params import read_query
from sensenova_billing.lib.api.schemas import schema_ref

LONGEST_CACHED = dt.timedelta(seconds=60)


class OpenView(Endpoint):
    """An endpoint that needs no key, unless the answer is for a customer."""

    permission_classes = (AllowAny,)

    def customer_of(self, request: Request, code: str) -> Customer | None:
        """Return the customer of this code, else the one whose own key this is; raise 401, 403 or 404."""
        may_read = MayReadBilling().has_permission(request, self)
        if code and not may_read:
            self.permission_denied(request, MayReadBilling.message, MayReadBilling.code)
        if code:
            return customer_of_key(key=key_of(request), code=code)
        return key_of(request).customer if may_read else None


class CatalogView(OpenView):
    """Everything on sale."""

    @extend_schema(
        operation_id="catalog",
        summary="Services, prices, call limits and quota packages",
        tags=["catalogue"],
        description=(
            "Everything on sale at the prices for everybody, in the order of the price page: the price in "
            "force of each billing item, the list price beneath an offer or a free trial, the prices that "
            "are known to follow, the default call limits, and the quota packages on sale. The answer is the "
            "same for every instant from `in_force_from` until before `next_change_at`, unless another price "
            "is scheduled. No key is needed. For a customer, by its own key or by `customer`, `own_prices` "
            "are what it pays, and what follows; the key needs the scope billing:read."
        ),
        parameters=[AT, FOR_CUSTOMER, IF_NONE_MATCH],
        responses=catalog_answers(),
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Return the catalogue, or 304 if the ETag still matches."""
        params, now = read_query(CatalogQuery, request.query_params), clock.now()
        customer, at = self.customer_of(request, params["customer"]), params["at"] or now
        payload: CatalogPayload
        if customer:
            own, catalog = catalogs_of(customer=customer, at=at)
            payload = customer_catalog_payload(catalog, customer=customer.code, own=own)
        else:
            catalog = catalog_at(at=at)
            payload = catalog_payload(catalog)
        etag = f'"{hashlib.sha256(FastJsonRenderer().render(payload)).hexdigest()}"'
        known = parse_etags(request.headers.get("If-None-Match", ""))
        answer: HttpResponseBase = Response(payload)
        if "*" in known or etag in {one.removeprefix("W/") for one in known}:
            answer = HttpResponseNotModified()
        answer.headers["ETag"] = etag
        answer.headers["Cache-Control"] = (
            f"{'private' if customer else 'public'}, max-age={_seconds_cached(catalog, now)}"
        )
        answer.headers["Vary"] = "Authorization"
        return answer


class EstimatesView(OpenView):
    """What usage would cost."""

    @extend_schema(
        operation_id="estimate",
        summary="What usage would cost",
        tags=["catalogue"],
        description=(
            "Prices up to 100 usages at the prices for everybody, now or at another instant, line by line "
            "and exactly. Text is counted as in usage; nothing is stored. No key is needed. For a customer, "
            "by its own key or by `customer`, the lines are at what it pays, and `for_everybody` is beside "
            "them; the key needs the scope billing:read."
        ),
        request={"application/json": schema_ref("EstimateRequest")},
        responses=estimate_answers(),
    )
    def post(self, request: Request) -> Response:
        """Parse, estimate, answer."""
        usages, at, code = decode_estimate(self.body_of(request), now=clock.now())
        customer = self.customer_of(request, code)
        if customer is None:
            return Response(estimate_payload(estimate(usages=usages, at=at)))
        own, general = estimates_of(usages=usages, at=at, customer=customer)
        return Response(customer_estimate_payload(own, customer=customer.code, general=general))


def _seconds_cached(catalog: Catalog, now: dt.datetime) -> int:
    """Return how long a response may be cached: not beyond the next change."""
    left = LONGEST_CACHED
    if catalog.next_change_at and catalog.next_change_at > now:
        left = min(left, catalog.next_change_at - now)
    return left // dt.timedelta(seconds=1)
