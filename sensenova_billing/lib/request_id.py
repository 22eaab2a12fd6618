"""The id of the HTTP request that this thread answers: in its response, its errors and its log lines."""

import re
import uuid
from contextvars import ContextVar

HEADER = "X-Request-ID"
LONGEST = 128
# Harmless in a header, in a log and on a page.
_SANE = re.compile(rf"[A-Za-z0-9._:/+=@-]{{1,{LONGEST}}}")
_CURRENT: ContextVar[str] = ContextVar("request_id", default="")


def begin_request(given: str | None) -> str:
    """Take the id that a client or proxy gave if it is sane, else make one; return it.

    It stands until the thread begins its next request: a response is logged after all that made it.
    """
    request_id = given if given and _SANE.fullmatch(given) else uuid.uuid4().hex
    _CURRENT.set(request_id)
    return request_id


def current_request_id() -> str:
    """Return the id of the request that this thread answers; empty where it has answered none."""
    return _CURRENT.get()
