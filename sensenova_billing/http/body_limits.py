"""How large the body of a request to each path may be; checked before anything of it is read."""

from collections.abc import Callable
from io import BytesIO

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from rest_framework.exceptions import APIException

from sensenova_billing.http.errors import API, refuse
from sensenova_billing.lib.api.errors import ApiError
from sensenova_billing.lib.api.request_body import BODY, KIB, MIB, BodyLimit, RequestBody

# 10,000 usage records with all their metadata, or what a proxy logs of some thousand calls.
BATCH = BodyLimit(most_bytes=16 * MIB, most_values=1_000_000)
# Protobuf takes up to 90 times its size in memory; gRPC's own limit is the same.
SPANS = BodyLimit(most_bytes=4 * MIB, most_values=250_000)
# Fields of bounded length, each character escaped.
SMALL = BodyLimit(most_bytes=64 * KIB, most_values=1_000)
# Needs no key. Room for the text of a whole book.
ESTIMATE = BodyLimit(most_bytes=MIB, most_values=10_000)
FORM = BodyLimit(most_bytes=256 * KIB)
# A file of 5 MiB, or what was read of it, which comes back when an import is confirmed.
FILE = BodyLimit(most_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
# A bank's file of 1 MiB, or what was read of it, which comes back with the choices.
BANK_FILE = BodyLimit(most_bytes=4 * MIB)
# No endpoint reads it, so whatever is sent is ignored.
NOTHING = BodyLimit(most_bytes=0)

LIMITS = {
    "/api/v1/usage": BATCH,
    "/api/v1/events": BATCH,
    "/api/v1/litellm": BATCH,
    "/lago/api/v1/events": BATCH,
    "/lago/api/v1/events/batch": BATCH,
    "/v1/traces": SPANS,
    "/api/v1/calls": SMALL,
    "/api/v1/reversals": SMALL,
    "/api/v1/estimates": ESTIMATE,
    "/admin/catalogue/import": FILE,
    "/admin/reconciliation": FILE,
    "/admin/bank-import": BANK_FILE,
}


def limit_of(path: str, *, content_type: str) -> BodyLimit:
    """Return the limit of a path; only forms that may hold a file have one of their own."""
    if path.startswith(API):
        return LIMITS.get(path, NOTHING)
    return LIMITS.get(path, FORM) if content_type == "multipart/form-data" else FORM


class BodyLimitMiddleware:
    """Gives every request the limit of its path, and refuses forms that are larger before they are read.

    An endpoint of the API reads its body itself, once it knows the key. A form is read by Django, as early as
    by the check against cross-site requests.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer 413, 415 or 400 for a form that cannot be taken."""
        path = request.path_info
        with RequestBody(request.META, limit_of(path, content_type=request.content_type or "")) as body:
            request.META[BODY] = body
            if request.method == "POST" and not path.startswith(API) and body.is_there and _is_route(path):
                try:
                    _prepare_form(request, body)
                except (APIException, ApiError) as refusal:
                    return refuse(request, refusal)
            return self._get_response(request)


def _prepare_form(request: HttpRequest, body: RequestBody) -> None:
    body.require_allowed()
    if body.is_chunked:
        # Django takes a body without a length for none. The sender is not known yet, so it is read as a form.
        form = RequestBody(request.META, FORM).read()
        request._stream = BytesIO(form)
        request.META["CONTENT_LENGTH"] = str(len(form))
    else:
        body.reserve_declared()


def _is_route(path: str) -> bool:
    try:
        resolve(path)
    except Resolver404:
        return False
    return True
