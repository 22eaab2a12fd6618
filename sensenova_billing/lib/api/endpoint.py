"""Base class of the API's endpoints: reads a body as bytes, within its limit, and answers in JSON."""

from collections.abc import Mapping
from typing import Any

import msgspec
from django.utils.functional import Promise
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sensenova_billing.lib.api.request_body import BODY, RequestBody


class JsonOnlyNegotiation(DefaultContentNegotiation):
    """Answers in JSON, whatever the Accept header says: there is nothing else to choose from."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Take the first; a `format` in the address chooses nothing either."""
        return renderers[0], renderers[0].media_type


class FastJsonRenderer(BaseRenderer):
    """The JSON of Django REST framework, several times as fast; takes Structs and dataclasses too."""

    media_type = "application/json"
    format = "json"
    charset = None  # JSON is bytes

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Encode the response."""
        return b"" if data is None else _JSON.encode(data)


def _as_text(value: Any) -> str:
    # ErrorDetail and lazy translations are not str for msgspec.
    if isinstance(value, str | Promise):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON.")


_JSON = msgspec.json.Encoder(enc_hook=_as_text)


class Endpoint(APIView):
    """A view of the API: it answers in JSON, and leaves no reference cycles for the garbage collector."""

    content_negotiation_class = JsonOnlyNegotiation
    renderer_classes: tuple[type[BaseRenderer], ...] = (FastJsonRenderer,)
    # The content types of the bodies that it takes.
    media_types: tuple[str, ...] = ("application/json",)

    def body_of(self, request: Request) -> bytes:
        """Return the body, unpacked, or nothing where there is none; raise as `RequestBody.read_json`."""
        body: RequestBody = request.META[BODY]
        if body.is_there and request._request.content_type not in self.media_types:
            raise UnsupportedMediaType(request.content_type)
        return body.read_json()

    def finalize_response(
        self, request: Request, response: Response, *arguments: Any, **named: Any
    ) -> Response:
        """Let go of the request as soon as its answer is written."""
        final = super().finalize_response(request, response, *arguments, **named)
        if isinstance(final, Response):  # not a file, which is no answer in JSON
            final.add_post_render_callback(_let_go)
        return final


def _let_go(response: Response) -> None:
    # Request, view and response form reference cycles. Broken, all are freed with the response; otherwise
    # they wait, with the body, for the garbage collector, which stops every other request.
    context = response.renderer_context  # type: ignore[attr-defined]
    context["request"].parser_context = None
    for name in ("auser", "_messages"):
        vars(context["request"]._request).pop(name, None)
    vars(context["view"]).pop("head", None)  # Django's: the view's own method
    context.clear()
