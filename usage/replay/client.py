"""Sends usage to a billing server over HTTP, as a model service does.

A batch without an answer is resent after a wait: the server stores each record once.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import msgspec

from usage.ingest.payload import UsageReport
from usage.ingest.record import Receipt

PATH = "/api/v1/usage"
# Seconds between attempts; a longer Retry-After takes precedence, up to the longest wait.
WAITS = (1, 2, 4, 8)
LONGEST_WAIT = 60
UNAVAILABLE = {502, 503, 504}
TIMEOUT = httpx.Timeout(60, connect=5)
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class NotAnswered(Exception):
    """The server is unreachable or unavailable; it may or may not have stored the batch."""

    def __init__(self, reason: str, *, retry_after: int = 0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class BatchRejected(Exception):
    """The server rejected the batch and stored nothing; `details` name the bad records."""

    def __init__(self, reason: str, *, details: Sequence[Any] = ()) -> None:
        super().__init__(reason)
        self.details = [detail for detail in details if isinstance(detail, dict) and "index" in detail]


class _Error(msgspec.Struct):
    message: str
    details: list[Any] = []


class _ErrorBody(msgspec.Struct):
    error: _Error


def connect(*, url: str, key: str) -> httpx.Client:
    """Return a client for the server at this address with this service key; raise httpx.InvalidURL."""
    address = httpx.URL(url)
    if address.scheme not in {"http", "https"} or not address.host:
        raise httpx.InvalidURL(f"{url} is not an http or https address.")
    # A proxy of the environment cannot reach this machine's loopback address.
    return httpx.Client(
        base_url=address,
        headers={"Authorization": f"Bearer {key}"},
        timeout=TIMEOUT,
        trust_env=address.host not in LOOPBACK,
    )


def send_batch(
    *, client: httpx.Client, reports: Sequence[UsageReport], sleep: Callable[[float], None] = time.sleep
) -> Receipt:
    """Send these reports, with retries, and return the receipt; raise BatchRejected or NotAnswered."""
    body = msgspec.json.encode(reports)
    for wait in WAITS:
        try:
            return _send(client=client, body=body)
        except NotAnswered as error:
            sleep(min(max(wait, error.retry_after), LONGEST_WAIT))
    return _send(client=client, body=body)


def _send(*, client: httpx.Client, body: bytes) -> Receipt:
    try:
        answer = client.post(PATH, content=body, headers={"Content-Type": "application/json"})
    except httpx.TransportError as error:
        reason = f"{client.base_url} cannot be reached ({error or type(error).__name__})"
        raise NotAnswered(reason) from error
    if answer.status_code in UNAVAILABLE:
        raise NotAnswered(_reason(answer), retry_after=_retry_after(answer))
    if not answer.is_success:
        raise BatchRejected(_reason(answer), details=_details(answer))
    try:
        return msgspec.json.decode(answer.content, type=Receipt)
    except msgspec.DecodeError as error:
        raise BatchRejected(f"{client.base_url} does not answer as a billing server does") from error


def _reason(answer: httpx.Response) -> str:
    body = _error_body(answer)
    status = f"{answer.status_code} {answer.reason_phrase}"
    return f"{body.error.message.rstrip('.')} ({status})" if body else f"the server answered {status}"


def _details(answer: httpx.Response) -> list[Any]:
    body = _error_body(answer)
    return body.error.details if body else []


def _error_body(answer: httpx.Response) -> _ErrorBody | None:
    try:
        return msgspec.json.decode(answer.content, type=_ErrorBody)
    except msgspec.DecodeError:
        return None


def _retry_after(answer: httpx.Response) -> int:
    text = answer.headers.get("Retry-After", "")
    return int(text) if text.isdecimal() else 0
