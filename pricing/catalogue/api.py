"""The public endpoints of the catalogue: what is on sale, and what usage would cost."""

import datetime as dt
import hashlib

from django.http import HttpResponseNotModified
from django.http.response import HttpResponseBase
from django.utils.http import parse_etags
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from pricing.catalogue.estimates import decode_estimate, estimate
from pricing.catalogue.forms import CatalogQuery
from pricing.catalogue.offering import Catalog, catalog_at
from pricing.catalogue.schemas import (
    AT,
    IF_NONE_MATCH,
    catalog_answers,
    catalog_payload,
    estimate_answers,
    estimate_payload,
)
from sensenova_billing.lib import clock
from sensenova_billing.lib.api.endpoint import Endpoint, FastJsonRenderer
from sensenova_billing.lib.api.query_params import read_query
from sensenova_billing.lib.api.schemas import schema_ref

LONGEST_CACHED = dt.timedelta(seconds=60)


class OpenView(Endpoint):
    """An endpoint without authentication."""

    authentication_classes = ()
    permission_classes = ()


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
            "is scheduled."
        ),
        parameters=[AT, IF_NONE_MATCH],
        responses=catalog_answers(),
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Return the catalogue, or 304 if the ETag still matches."""
        params, now = read_query(CatalogQuery, request.query_params), clock.now()
        catalog = catalog_at(at=params["at"] or now)
        payload = catalog_payload(catalog)
        etag = f'"{hashlib.sha256(FastJsonRenderer().render(payload)).hexdigest()}"'
        known = parse_etags(request.headers.get("If-None-Match", ""))
        answer: HttpResponseBase = Response(payload)
        if "*" in known or etag in {one.removeprefix("W/") for one in known}:
            answer = HttpResponseNotModified()
        answer.headers["ETag"] = etag
        answer.headers["Cache-Control"] = f"public, max-age={_seconds_cached(catalog, now)}"
        return answer


class EstimatesView(OpenView):
    """What usage would cost."""

    @extend_schema(
        operation_id="estimate",
        summary="What usage would cost",
        tags=["catalogue"],
        description=(
            "Prices up to 100 usages at the prices for everybody, now or at another instant, line by line "
            "and exactly. Text is counted as in usage; nothing is stored."
        ),
        request={"application/json": schema_ref("EstimateRequest")},
        responses=estimate_answers(),
    )
    def post(self, request: Request) -> Response:
        """Parse, estimate, answer."""
        usages, at = decode_estimate(self.body_of(request), now=clock.now())
        return Response(estimate_payload(estimate(usages=usages, at=at)))


def _seconds_cached(catalog: Catalog, now: dt.datetime) -> int:
    """Return how long a response may be cached: not beyond the next change."""
    left = LONGEST_CACHED
    if catalog.next_change_at and catalog.next_change_at > now:
        left = min(left, catalog.next_change_at - now)
    return left // dt.timedelta(seconds=1)
