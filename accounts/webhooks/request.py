"""One request to a receiver: to an address that was checked, within a time that holds for all of it."""

import ssl
import time
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import httpcore
import httpx
from django.conf import settings

from accounts.models import AttemptError
from accounts.webhooks.addresses import AddressRefused, HostUnknown, checked_addresses, read_url

LONGEST_ANSWER = 500  # characters that are kept
_ENOUGH_BYTES = 4 * LONGEST_ANSWER
_USER_AGENT = "SenseNova-Billing-Webhooks/1.0"
_SocketOptions = Iterable[
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
]


@dataclass(frozen=True)
class Answer:
    """What came of a request."""

    error: str  # empty: it succeeded; else an AttemptError
    milliseconds: int
    status: int | None = None
    text: str = ""


def post(*, url: str, headers: Mapping[str, str], body: str) -> Answer:
    """Send a body, follow no redirect, and wait no longer than the settings say."""
    began = time.monotonic()
    status, text, error = None, "", ""
    try:
        target = read_url(url)
        addresses = checked_addresses(target)
        status, text = _send(target, addresses, headers, body)
    except HostUnknown:
        error = AttemptError.UNKNOWN_HOST
    except AddressRefused:
        error = AttemptError.REFUSED_ADDRESS
    except httpcore.TimeoutException:
        error = AttemptError.TIMEOUT
    except httpcore.NetworkError as fault:
        is_tls = any(isinstance(cause, ssl.SSLError) for cause in fault.args)
        error = AttemptError.TLS if is_tls else AttemptError.CONNECTION
    except (httpcore.ProtocolError, httpcore.UnsupportedProtocol):
        error = AttemptError.PROTOCOL
    else:
        error = "" if 200 <= status <= 299 else AttemptError.STATUS
    return Answer(str(error), round((time.monotonic() - began) * 1000), status, text)


def _send(target: httpx.URL, addresses: list[str], headers: Mapping[str, str], body: str) -> tuple[int, str]:
    backend = _CheckedBackend(addresses, time.monotonic() + settings.WEBHOOK_TIMEOUT.total_seconds())
    own = {
        "Host": target.netloc.decode(),
        "Content-Type": "application/json",
        "User-Agent": _USER_AGENT,
        "Connection": "close",
    }
    place = httpcore.URL(
        scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path
    )
    with (
        httpcore.ConnectionPool(ssl_context=_ssl_context(), network_backend=backend) as pool,
        pool.stream(
            "POST", place, headers=[*own.items(), *headers.items()], content=body.encode()
        ) as response,
    ):
        return response.status, _beginning(response.iter_stream())


def _beginning(chunks: Iterator[bytes]) -> str:
    """Return the first characters of an answer, without those that PostgreSQL takes for none."""
    held = b""
    try:
        for chunk in chunks:
            held += chunk
            if len(held) >= _ENOUGH_BYTES:
                break
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        pass  # the status has arrived, and that decides
    return held.decode(errors="replace").replace("\0", "")[:LONGEST_ANSWER]


@lru_cache(maxsize=1)
def _ssl_context() -> ssl.SSLContext:
    return httpx.create_ssl_context()


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to the addresses that were checked, whatever the host is called; TLS is about its name."""

    def __init__(self, addresses: list[str], deadline: float) -> None:
        self._addresses = addresses
        self._deadline = deadline
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: _SocketOptions | None = None,
    ) -> httpcore.NetworkStream:
        """Try one address after another."""
        *others, last = self._addresses
        for address in others:
            try:
                return self._connect(address, port)
            except httpcore.ConnectError:
                continue
        return self._connect(last, port)

    def _connect(self, address: str, port: int) -> httpcore.NetworkStream:
        left = _left(self._deadline, httpcore.ConnectTimeout)
        return _LimitedStream(self._backend.connect_tcp(address, port, timeout=left), self._deadline)


class _LimitedStream(httpcore.NetworkStream):
    """A connection that ends at an instant, however many pieces an answer comes in."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what there is, or wait for the rest of the time."""
        return self._stream.read(max_bytes, timeout=_left(self._deadline, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it within the rest of the time."""
        self._stream.write(buffer, timeout=_left(self._deadline, httpcore.WriteTimeout))

    def close(self) -> None:
        """End the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Begin TLS with a server that has a certificate of this name."""
        left = _left(self._deadline, httpcore.ConnectTimeout)
        return _LimitedStream(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> typing.Any:
        """Return what the connection knows of itself."""
        return self._stream.get_extra_info(info)


def _left(deadline: float, exception: type[httpcore.TimeoutException]) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise exception("The time of the request is over.")
    return left
