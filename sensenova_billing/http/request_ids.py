"""Gives each request an id, and measures how long it took."""

import time
from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from sensenova_billing.lib.measurements import Metric, observe
from sensenova_billing.lib.request_id import HEADER, begin_request

# Of others there may be any number.
_METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])


def identify_requests(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Answer with the request's id; count the request by method, route and status class.

    Routes are those of urls.py: "" for what is answered before one is looked for, or has none.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        request_id = begin_request(request.headers.get(HEADER))
        response = get_response(request)
        response.headers[HEADER] = request_id
        method = request.method if request.method in _METHODS else "other"
        route = request.resolver_match.route if request.resolver_match else ""
        labels = (method, route, f"{response.status_code // 100}xx")
        observe(Metric.REQUEST_SECONDS, time.perf_counter() - began, *labels)
        return response

    return middleware
