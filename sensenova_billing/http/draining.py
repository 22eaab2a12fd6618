"""Lets a client that is still sending see its answer: the rest of its body is read for a while and discarded.

A connection that is closed while bytes arrive is reset, and the client may lose an answer not read yet.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

PIECE = 256 * 1024
SECONDS = 5
# Each takes one of the web process's threads; beyond them connections are closed at once.
PLACES = threading.BoundedSemaphore(16)

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Draining:
    """A WSGI application whose answers are sent before the rest of the request is discarded."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer as the application does."""
        answer = self._application(environ, start_response)
        has_body = environ.get("CONTENT_LENGTH", "") not in ("", "0") or "HTTP_TRANSFER_ENCODING" in environ
        # A client that waits for "100 Continue" sends nothing after a final answer.
        if has_body and "HTTP_EXPECT" not in environ:
            return _Drained(answer, environ["wsgi.input"].read)
        return answer


class _Drained:
    def __init__(self, answer: Iterable[bytes], read: Callable[[int], bytes]) -> None:
        self._answer = answer
        self._read = read

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answer)

    def close(self) -> None:
        """End the request, then discard what is left of its body: the server has sent the answer by then."""
        if close := getattr(self._answer, "close", None):
            close()
        if not PLACES.acquire(blocking=False):
            return
        try:
            deadline = time.monotonic() + SECONDS
            while self._read(PIECE) and time.monotonic() < deadline:
                pass
        finally:
            PLACES.release()
