"""How many requests a web process works on at once, apart from those whose bodies are still arriving.

The web server has a thread for each connection, because it waits for a body without a time limit: a client
that sends a byte every few seconds holds its thread, and nothing else. Work is limited here.
"""

from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from typing import Any

from django.http import HttpResponse

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]

SECONDS_FOR_A_SLOT = 10
# They answer whatever else the process is doing.
UNLIMITED = frozenset(["/healthz", "/readyz", "/metrics"])
# Reports that wait for a lock must not keep calls from being admitted.
ADMISSIONS = "/api/v1/calls"


class ConcurrencyLimit:
    """A WSGI application that works on so many requests at once, and on as many admissions beside them."""

    def __init__(
        self, application: Application, *, requests: int, busy: Callable[[dict[str, Any]], HttpResponse]
    ) -> None:
        self._application = application
        self._busy = busy
        self._admissions = Slots(requests)
        self._others = Slots(requests)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer within a slot, or 503 where none is free in time."""
        path = environ["PATH_INFO"]
        if path in UNLIMITED:
            return self._application(environ, start_response)
        slots = self._admissions if path.startswith(ADMISSIONS) else self._others
        if not slots.acquire(SECONDS_FOR_A_SLOT):
            return _answer(self._busy(environ), start_response)
        body = environ["wsgi.input"]
        environ["wsgi.input"] = _BodyOutsideSlot(body, slots)
        try:
            return self._application(environ, start_response)
        finally:
            environ["wsgi.input"] = body
            slots.release()


class Slots:
    """A semaphore; as a queue of tokens it costs a tenth of `threading.Semaphore`."""

    def __init__(self, size: int) -> None:
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(size):
            self._free.put(None)

    def acquire(self, seconds: float | None = None) -> bool:
        """Take a slot, waiting for one at most so long; whether there was one."""
        try:
            self._free.get(timeout=seconds)
        except Empty:
            return False
        return True

    def release(self) -> None:
        """Give a slot back."""
        self._free.put(None)


class _BodyOutsideSlot:
    """The body of a request that gives its slot to others while it waits for bytes."""

    def __init__(self, body: Any, slots: Slots) -> None:
        self._body = body
        self._slots = slots

    def read(self, *size: int) -> bytes:
        """Return so many bytes, fewer at the end; it may take as long as the client wants."""
        return self._outside(self._body.read, size)

    def readline(self, *size: int) -> bytes:
        """Return a line."""
        return self._outside(self._body.readline, size)

    def _outside(self, read: Callable[..., bytes], size: tuple[int, ...]) -> bytes:
        self._slots.release()
        try:
            return read(*size)
        finally:
            self._slots.acquire()


def _answer(response: HttpResponse, start_response: Any) -> Iterable[bytes]:
    start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
    return [response.content]
