"""What supervisors, load balancers and Prometheus ask, before anything that concerns people."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from sensenova_billing.http.errors import SOON, not_found
from sensenova_billing.lib.client_address import client_address, is_within
from sensenova_billing.monitoring.health import HealthView, ReadyView
from sensenova_billing.monitoring.metrics import MetricsView

_OPEN = {"/healthz": HealthView.as_view()}
_RESTRICTED = {"/readyz": ReadyView.as_view(), "/metrics": MetricsView.as_view()}


class MonitoringMiddleware:
    """Answers health checks and metrics for every host name, and without a redirect to https.

    A load balancer asks a web server by its address, over plain HTTP. `/healthz` is public and
    reveals nothing; the others answer `MONITORING_ADDRESSES` only, and are 404 for any other address.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Keep the rest of the chain."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer at once, or hand the request on."""
        path = request.path_info
        if path in _OPEN:
            return _OPEN[path](request)
        if path not in _RESTRICTED:
            return self._get_response(request)
        if not is_within(client_address(request.META), settings.MONITORING_ADDRESSES):
            return not_found(request, PermissionError())
        response = _RESTRICTED[path](request)
        if response.status_code == 503:
            response.headers["Retry-After"] = SOON
        return response
