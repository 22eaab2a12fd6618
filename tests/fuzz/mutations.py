"""Requests with damaged bodies, each made from a seed and a number, so that any can be made again."""

import gzip
import json
import random
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tests.valid_bodies import valid_bodies

TOKEN = "a" * 32
FORMS = {
    "/sign-in": {"username": "alice@acme.example", "password": "wrong", "next": "/overview"},
    "/admin/login/": {"username": "alice@acme.example", "password": "wrong", "next": "/admin/"},
    "/admin/accounts/customer/add/": {"code": "c", "name": "C", "time_zone": "UTC", "reason": "r"},
    "/admin/accounts/servicekey/add/": {"name": "k", "scopes": "usage:write", "customers": "1"},
    "/admin/pricing/servicealias/add/": {"alias": "x", "service": "1", "reason": "r"},
    "/admin/pricing/callspecification/add/": {"service": "1", "rpm": "1", "tpm": "1", "reason": "r"},
    "/admin/prices/change": {"item": "1", "unit_price": "0.1", "unit_size": "1000", "kind": "list_price"},
    "/admin/packages/sell": {"product": "p", "method": "tokens_package", "weights": "S/output_tokens: 2"},
    "/admin/catalogue/import": {"file": "sheet,name\nservices,x\n", "previewed": "x:y:z", "reason": "r"},
}
INSTANTS = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-13-01T00:00:00Z"]
TEXTS = [
    "",
    " ",
    "\0",
    "\ud800",
    "\udfff",
    "a" * 300,
    "😀" * 255,
    "=1+1",
    "../..",
    "%00",
    "١",
    "1_000",
    "1e5",
]
TEXTS += [*INSTANTS, "NaN", "\r\n", "\u202e", "<b>", "'", "__class__"]
NUMBERS = [True, -1, 0, 1.5, 1e308, 10**15, 10**16, 10**400]
ODD_VALUES: list[Any] = [None, *NUMBERS, *TEXTS, [], [[]], {}, {"": ""}, [None]]
FRAGMENTS = [b"", *(bytes([byte]) for byte in b'"]}{[,:\\\0\n%&=')]
FRAGMENTS += [b"NaN", b"-Infinity", b"1e999", b"-0", b"01", b"null", b"{}", b"/*", b"--b", b"9" * 5000]
FRAGMENTS += [b"\\ud800", b"\\udc00", b"\\u0000", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf"]
FRAGMENTS += [b"[" * 2000, b'{"a":' * 500]
CODINGS = ["gzip", "GZIP", "x-gzip", "identity", "deflate", "br", "zstd", "gzip, gzip", "nonsense"]
CONTENT_TYPES = ["", "text/plain", "application/json; charset=utf-16", "application/x-ndjson"]


@dataclass
class Request:
    """What goes to the server; a chunked one has no length, a lying one another than it says."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    chunked: bool = False
    lie: int = 0  # bytes by which Content-Length is wrong


def request_of(seed: int, number: int, *, key: str, cookie: str, moment: str) -> Request:
    """Return the request of this number; two in three go to the API."""
    rng = random.Random(f"{seed} {number}")
    if rng.random() < 0.66:
        path, value = rng.choice([*valid_bodies(moment=moment, event_id=f"f-{number}").items()])
        request = _json_request(rng, path, value, key)
    else:
        path, fields = rng.choice([*FORMS.items()])
        request = _form_request(rng, path, fields, cookie)
    _frame(rng, request)
    return request


def _json_request(rng: random.Random, path: str, value: Any, key: str) -> Request:
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        value = _changed(rng, value)
    if rng.random() < 0.2:
        value = [value] * rng.choice([1, 2, 50])
    body = _damaged(rng, json.dumps(value).encode())
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    if rng.random() < 0.05:
        headers["Content-Type"] = rng.choice(CONTENT_TYPES)
    if rng.random() < 0.03:
        headers["Authorization"] = rng.choice(["Bearer", "Bearer \xff", "Basic x", "Bearer " + "x" * 5000])
    return Request(path, body, headers)


def _form_request(rng: random.Random, path: str, fields: dict[str, str], cookie: str) -> Request:
    fields = dict(fields)
    for name in fields:
        if rng.random() < 0.3:
            fields[name] = str(rng.choice(ODD_VALUES)).encode(errors="replace").decode()
    fields["csrfmiddlewaretoken"] = TOKEN
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode(fields).encode()
    if rng.random() < 0.4:
        headers["Content-Type"] = "multipart/form-data; boundary=b"
        body = b"".join(map(_part, fields.items())) + b"--b--\r\n"
    return Request(path, _damaged(rng, body), headers)


def _part(named: tuple[str, str]) -> bytes:
    name, value = named
    file = '; filename="a.csv"' if name == "file" else ""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n{value}\r\n'.encode()


def _changed(rng: random.Random, value: Any) -> Any:
    """Return a JSON value with one value or name in it replaced, left out or added."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        name = rng.choice([*value])
        match rng.randrange(5):
            case 0:
                return {other: kept for other, kept in value.items() if other != name}
            case 1:
                return value | {str(rng.choice(ODD_VALUES)): rng.choice(ODD_VALUES)}
            case _:
                return value | {name: _changed(rng, value[name])}
    if isinstance(value, list) and value and rng.random() < 0.8:
        index = rng.randrange(len(value))
        return [*value[:index], _changed(rng, value[index]), *value[index + 1 :]]
    return rng.choice(ODD_VALUES)


def _damaged(rng: random.Random, body: bytes) -> bytes:
    """Return a body with up to three damages in its bytes, or none."""
    for _ in range(rng.choice([0, 0, 1, 2, 3])):
        start, end = sorted(rng.randrange(len(body) + 1) for _ in range(2))
        fragment = rng.choice([*FRAGMENTS, rng.randbytes(1)])
        body = rng.choice(
            [
                body[:start] + fragment + body[start:],
                body[:start] + fragment + body[start + 1 :],
                body[:start] + body[end:],
                body[:end] + body[start:],
                body[:end],
            ]
        )
    return body


def _frame(rng: random.Random, request: Request) -> None:
    """Choose how the body is packed and sent."""
    if rng.random() < 0.15:
        coding = request.headers["Content-Encoding"] = rng.choice(CODINGS)
        if "gzip" in coding.lower():
            request.body = gzip.compress(request.body, 1, mtime=0)
            if rng.random() < 0.3:
                request.body = _damaged(rng, request.body)
    request.chunked = rng.random() < 0.2
    if not request.chunked and rng.random() < 0.03:
        request.lie = rng.choice([-1, 1, 100])
