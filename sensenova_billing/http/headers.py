"""Headers of every response: what a browser may load into a page, and that no cache stores what is private.

A response is private unless its view sets a Cache-Control of its own, as the public catalogue does.
"""

import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from invoices.payments.provider_names import CHECKOUTS

_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_PAGE = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
# Alpine, which the admin's theme uses, evaluates expressions; templates of the admin have style attributes.
_ADMIN = _PAGE | {"script-src": "'self' 'unsafe-eval'", "style-src": "'self' 'unsafe-inline'"}
# Swagger UI's page has a style element.
_API_DOCS = _PAGE | {"style-src": "'self' 'unsafe-inline'"}

_FOR_ALL = {
    "Cache-Control": "no-store",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    # Django's own middleware adds these too, but not to what is answered before it.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def _written(policy: dict[str, str]) -> str:
    return "; ".join(f"{directive} {sources}" for directive, sources in policy.items())


# Browsers hold a redirect that answers a form to `form-action` too: where the payment provider's page is.
_PAYS = re.compile("/customers/[^/]+/pay")

# By the beginning of the path; the first that fits.
_POLICIES = (
    ("/api/docs", _written(_API_DOCS)),
    ("/api/", _NOTHING),
    ("/lago/", _NOTHING),
    ("/v1/", _NOTHING),
    ("/admin/", _written(_ADMIN)),
    ("/", _written(_PAGE)),
)


def response_headers(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Add the headers that the view, or a middleware behind this one, has not set itself."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", policy_of(request.path_info))
        for name, value in _FOR_ALL.items():
            response.headers.setdefault(name, value)
        return response

    return middleware


def policy_of(path: str) -> str:
    """Return the Content-Security-Policy of what is at this path."""
    if _PAYS.fullmatch(path) and settings.PAYMENT_PROVIDER in CHECKOUTS:
        return _written(_PAGE | {"form-action": f"'self' {CHECKOUTS[settings.PAYMENT_PROVIDER]}"})
    return next((policy for beginning, policy in _POLICIES if path.startswith(beginning)), _NOTHING)
