"""While staff view a customer's pages as the customer does, they change nothing on them."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.permissions import SAFE_METHODS

from accounts.api_keys.customer_access import current_view
from sensenova_billing.http.errors import API
from sensenova_billing.lib import clock

# Not of customers: the admin has its own permissions, the APIs their keys.
_ELSEWHERE = (*API, "/admin/", "/sign-")
# Its form asks what usage would cost, and writes nothing.
_CALCULATOR = "customer_prices"


class ReadOnlyViewMiddleware:
    """Refuses with 403 requests that could write on customers' pages, while the person has a view."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Keep the rest of the chain."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Hand the request on."""
        return self._get_response(request)

    def process_view(self, request: HttpRequest, view: Any, arguments: Any, named: Any) -> None:
        """Raise PermissionDenied before the page's view runs."""
        if request.method in SAFE_METHODS or request.path_info.startswith(_ELSEWHERE):
            return
        if request.resolver_match and request.resolver_match.url_name == _CALCULATOR:
            return
        if settings.SESSION_COOKIE_NAME not in request.COOKIES or not request.user.is_authenticated:
            return
        if current_view(person=request.user, now=clock.now()) is not None:
            raise PermissionDenied
