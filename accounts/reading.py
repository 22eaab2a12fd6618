"""What the doors of the API share: they read a body as bytes, within bounds, and answer in JSON."""

from collections.abc import Mapping
from typing import IO, Any, cast

from django.conf import settings
from rest_framework.exceptions import APIException
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

_TOO_LARGE = "The body is larger than {} MiB. Nothing was stored; send smaller batches."


class BodyTooLarge(APIException):
    """413: the body is larger than the door takes."""

    status_code = 413
    default_code = "body_too_large"
    default_detail = _TOO_LARGE.format(16)


class WholeBody(BaseParser):
    """Hands the JSON body on as bytes: the verb behind the door decodes it strictly."""

    media_type = "application/json"
    most_bytes: int | None = None  # None: DATA_UPLOAD_MAX_MEMORY_SIZE

    def parse(  # type: ignore[override]  # the stubs know parsers of fields only
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the body; raise BodyTooLarge beyond what the door takes."""
        limit = self.most_bytes or settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise BodyTooLarge(_TOO_LARGE.format(limit // 2**20))
        return body


def body_of(request: Request) -> bytes:
    """Return what WholeBody read; nothing where there was no body, because then no parser is asked."""
    return cast(bytes, request.data or b"")


class AnswersInJson(DefaultContentNegotiation):
    """Answers in JSON, whatever the Accept header says: there is nothing else to choose from."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Take the first; a `format` in the address chooses nothing either."""
        return renderers[0], renderers[0].media_type
