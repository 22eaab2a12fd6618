"""Reading a request's body as bytes, within bounds."""

from collections.abc import Mapping
from typing import IO, Any, cast

from django.conf import settings
from rest_framework.exceptions import APIException
from rest_framework.parsers import BaseParser
from rest_framework.request import Request


class BodyTooLarge(APIException):
    """413: the body is larger than the door takes."""

    status_code = 413
    default_code = "body_too_large"
    default_detail = "The body is larger than 16 MiB. Nothing was stored; send smaller batches."


class WholeBody(BaseParser):
    """Hands the JSON body on as bytes: the verb behind the door decodes it strictly."""

    media_type = "application/json"

    def parse(  # type: ignore[override]  # the stubs know parsers of fields only
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the body; raise BodyTooLarge beyond DATA_UPLOAD_MAX_MEMORY_SIZE."""
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise BodyTooLarge
        return body


def body_of(request: Request) -> bytes:
    """Return what WholeBody read; nothing where there was no body, because then no parser is asked."""
    return cast(bytes, request.data or b"")
