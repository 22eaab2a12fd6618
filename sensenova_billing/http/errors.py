"""One schema for every error: {"error": {"code": ..., "message": ..., "details": [...]}}."""

import datetime as dt
import sys
from typing import Any

import psycopg
from django.core.exceptions import PermissionDenied
from django.core.handlers.wsgi import WSGIRequest
from django.db import InterfaceError, InternalError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from rest_framework import exceptions
from rest_framework.response import Response

from invoices.drilldown.trace.archived import RecordsArchived
from pricing.catalogue.estimates import BadEstimate
from sensenova_billing.lib import clock
from sensenova_billing.lib.api.errors import ApiError, InvalidQuery, Unreadable
from sensenova_billing.lib.api.retry import retry_after, retry_moment
from sensenova_billing.lib.measurements import Metric, count
from sensenova_billing.lib.request_id import HEADER, begin_request, current_request_id
from sensenova_billing.lib.sentences import in_words
from usage.ingest.errors import AlreadyReversed, InvalidUsage, NotReversible, UsageConflict
from usage.limits.errors import (
    BudgetExhausted,
    CallConflict,
    CallForbidden,
    InvalidCall,
    LimitsExhausted,
    UnknownCall,
)
from usage.limits.schemas import refusal_headers
from usage.limits.stores.windows import StoreUnavailable, WindowsLost

# How the paths of the API begin, its endpoints for other systems' formats included.
API = ("/api/", "/lago/", "/v1/")
_STATUS: dict[type[ApiError], int] = {
    Unreadable: 400,
    InvalidQuery: 400,
    UsageConflict: 409,
    AlreadyReversed: 409,
    InvalidUsage: 422,
    BadEstimate: 422,
    NotReversible: 422,
    CallForbidden: 403,
    BudgetExhausted: 403,
    UnknownCall: 404,
    RecordsArchived: 410,
    CallConflict: 409,
    InvalidCall: 422,
    LimitsExhausted: 429,
}
# Where it is unknown when an outage ends.
SOON = retry_after(5)
# SQLSTATE classes that pass: connections, rollbacks of the server's choice, too few resources, its stopping.
_PASSING = {"08", "40", "53", "57"}
# A statement, a wait for a lock or an idle transaction that took longer than its limit.
_TIMED_OUT = {"57014", "55P03", "25P03"}
# Citus has no code for it.
_LOST_WORKER = "failure on connection marked as essential"

_UNAVAILABLE = "The database is temporarily unavailable. Retry until it is answered."


def error_body(code: str, message: str, details: list[Any] | None = None, **more: str) -> dict[str, Any]:
    """Return the body of an error, with the id of the request."""
    more["request_id"] = current_request_id()
    return {"error": {"code": code, "message": message, "details": details or [], **more}}


def answer_error(error: Exception, context: dict[str, Any]) -> Response | None:
    """Give an error of the API its status and body; None for a fault of ours (500)."""
    match error:
        case LimitsExhausted():
            count(Metric.LIMIT_REFUSALS, error.code)
            # `type` is what clients of OpenAI look for.
            body = error_body(error.code, error.message, error.details, type="rate_limit_error")
            return Response(body, _STATUS[type(error)], headers=refusal_headers(error))
        case (
            StoreUnavailable() | OperationalError() | InterfaceError() | InternalError() | psycopg.Error()
        ) if outage := outage_of(error):
            return _answer_outage(*outage, seconds=getattr(error, "retry_after", None))
        case ApiError():
            return Response(error_body(error.code, error.message, error.details), _STATUS[type(error)])
        case Http404():
            return answer_error(exceptions.NotFound(), context)
        case PermissionDenied():
            return answer_error(exceptions.PermissionDenied(), context)
        case exceptions.APIException():
            return _answer_api_exception(error)
    return None


def _answer_outage(code: str, message: str, *, seconds: int | None) -> Response:
    """Return 503, with the exact moment where it is known when the outage ends."""
    if seconds is None:
        return Response(error_body(code, message), 503, headers={"Retry-After": SOON})
    ends_at = clock.now() + dt.timedelta(seconds=seconds)
    body = error_body(code, message, [retry_moment(at=ends_at, seconds=seconds)])
    return Response(body, 503, headers={"Retry-After": retry_after(seconds)})


def outage_of(error: BaseException | None) -> tuple[str, str] | None:
    """Return the code and message of a failure that passes: a database or Redis that may answer later.

    Django passes on as it is what the driver raises while a server-side cursor is closed.
    """
    of_driver = error if isinstance(error, psycopg.Error) else getattr(error, "__cause__", None)
    sqlstate = getattr(of_driver, "sqlstate", None)
    match error:
        case WindowsLost():
            return "limits_unavailable", str(error)
        case StoreUnavailable():
            return "limits_unavailable", "Rate limits are temporarily unavailable: no call is admitted."
        # Not "nothing was stored": the commit may have been done and only its answer lost.
        case OperationalError() | InternalError() if sqlstate in _TIMED_OUT:
            return "database_timeout", "The database took too long. Retry until it is answered."
        case OperationalError() | InterfaceError() | psycopg.OperationalError() if (
            sqlstate is None or sqlstate[:2] in _PASSING
        ):
            return "database_away", _UNAVAILABLE
        case InternalError() if _LOST_WORKER in str(error):
            return "database_away", _UNAVAILABLE
    return None


def _answer_api_exception(error: exceptions.APIException) -> Response:
    headers = {"Retry-After": SOON} if error.status_code == 503 else {}
    headers |= getattr(error, "headers", {})
    if auth_header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    detail = error.detail
    if isinstance(detail, exceptions.ErrorDetail):
        body = error_body(detail.code or "error", str(detail))
    else:
        body = error_body("invalid", "The request is not valid. Nothing was done.", [detail])
    return Response(body, error.status_code, headers=headers)


def refuse(request: HttpRequest, refusal: exceptions.APIException | ApiError) -> HttpResponse:
    """Answer outside the API's views as one of them would, with a page to a request for a page."""
    answer = answer_error(refusal, {})
    assert answer is not None
    error = answer.data["error"]
    message = error["message"] if _is_api(request) else in_words(error["message"], made_from=_REFUSALS)
    response = _page(request, answer.status_code, error["code"], message)
    for name in {"Accept-Encoding", "Retry-After"} & {*answer.headers}:
        response.headers[name] = answer.headers[name]
    return response


# What is wrong with a form that is not read; pages say it in their language.
_REFUSALS = (
    gettext_noop("The body is larger than %(limit)s. Nothing was stored; send less at once."),
    gettext_noop("The body holds more than %(values)s values. Nothing was stored; send less at once."),
    gettext_noop(
        "This content encoding is not accepted. Send the body as it is, or with Content-Encoding: "
        "%(accepted)s. Nothing was stored."
    ),
    gettext_noop("This content encoding is not accepted. Send the body as it is. Nothing was stored."),
    gettext_noop("Too many large bodies are being read. Nothing was stored; send it again."),
    gettext_noop("The only transfer encoding is chunked. Nothing was stored."),
    gettext_noop("The body is shorter than it was to be. Nothing was stored."),
    gettext_noop("Content-Length is not a number. Nothing was stored."),
    gettext_noop("The body is not gzip, or is cut off. Nothing was stored."),
)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400 outside the API's views, e.g. a host or path that is not valid."""
    return _page(request, 400, "bad_request", _("This request is not valid."))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: signed in, but not allowed."""
    return _page(request, 403, "forbidden", _("You may not do this."))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: a form without the token of this browser, as from another site or a page from before a sign-in."""
    return _page(request, 403, "csrf_failed", _("This page has expired."))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: it does not exist, or belongs to another customer; both look the same."""
    return _page(request, 404, "not_found", _("Page not found, or you don't have access."))


def server_error(request: HttpRequest) -> HttpResponse:
    """500: a fault of ours; 503 where the database or Redis does not answer, on whatever page."""
    if outage := outage_of(sys.exception()):
        code, message = outage
        response = _page(
            request, 503, code, message if _is_api(request) else _("Not available at the moment.")
        )
        response.headers["Retry-After"] = SOON
        return response
    message = _("Something broke on our side. Nothing was changed; try again.")
    return _page(request, 500, "server_error", message)


def busy(environ: dict[str, Any]) -> HttpResponse:
    """503: the process works on as many requests as it may."""
    request = WSGIRequest(environ)
    count(Metric.LIMIT_REFUSALS, "requests_at_once")
    # No middleware has looked at the request.
    request_id = begin_request(request.headers.get(HEADER))
    language = "en" if _is_api(request) else translation.get_language_from_request(request)
    with translation.override(language):
        message = _("Too many requests at once. Nothing was done; send it again.")
        response = _page(request, 503, "busy", message)
    response.headers[HEADER] = request_id
    response.headers["Retry-After"] = SOON
    return response


def _page(request: HttpRequest, status: int, code: str, message: str) -> HttpResponse:
    if _is_api(request):
        return JsonResponse(error_body(code, message), status=status)
    context = {"status": status, "code": code, "message": message, "request_id": current_request_id()}
    return render(None, "error.html", context, status=status)


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith(API)
