"""Bodies as the web server hands them on, and clients that still send when they are answered."""

import datetime as dt
import gzip
import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from benchmarks.large_bodies import FORM, MIB, Load, measure, repeated, send
from benchmarks.server import manage, web
from tests.sensenova_billing.processes import ask, server_on_copy

MOST_MIB = 120  # what a load may add to the memory of the web server; it was more than 10,000
PREPARE = """
from accounts.api_keys.keys import issue_service_key
from accounts.models import Customer
Customer.objects.create(code="acme", name="Acme Ltd")
print(issue_service_key(name="chat-gateway-1")[1])
"""


@pytest.fixture(scope="module")
def database(prepared: Path) -> Iterator[tuple[str, str]]:
    """A database with fsync on, which the web server insists on, and a service key."""
    with server_on_copy(prepared) as url:
        yield url, manage(url, "shell", "--no-imports", code=PREPARE).split()[-1]


@pytest.fixture(scope="module")
def served(database: tuple[str, str]) -> Iterator[tuple[int, int, str]]:
    """The port of a web server, its process, and a service key."""
    url, key = database
    with web(url, workers=1, DJANGO_SETTINGS_MODULE="sensenova_billing.settings") as (port, process):
        httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=30)
        yield port, process, key


def call(event_id: str) -> bytes:
    record = {
        "event_id": event_id, "customer": "acme", "service": "SenseChat-5",
        "occurred_at": dt.datetime.now(dt.UTC).isoformat(), "input_tokens": 7,
    }  # fmt: skip
    return json.dumps(record).encode()


def test_usage_is_stored_chunked_packed_and_both(served, database):
    port, _, key = served
    url = f"http://127.0.0.1:{port}/api/v1/usage"
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    gzipped = headers | {"Content-Encoding": "gzip"}
    many = b"[" + b",".join(call(f"many-{number}") for number in range(5_000)) + b"]"

    answers = [
        httpx.post(url, content=iter([b"[" + call("a") + b",", call("b") + b"]"]), headers=headers),
        httpx.post(url, content=gzip.compress(call("c")), headers=gzipped),
        httpx.post(url, content=iter([gzip.compress(call("d"))]), headers=gzipped),
        httpx.post(url, content=iter([many[:-9], many[-9:]]), headers=headers),
        httpx.post(url, content=iter([gzip.compress(many)]), headers=gzipped),
    ]

    assert [answer.json() for answer in answers] == [
        {"accepted": 2, "duplicates": 0},
        {"accepted": 1, "duplicates": 0},
        {"accepted": 1, "duplicates": 0},
        {"accepted": 5_000, "duplicates": 0},
        {"accepted": 0, "duplicates": 5_000},
    ]
    assert ask(database[0], "SELECT count(*) FROM usage_usagerecord") == 5_004


def test_a_client_that_still_sends_sees_why_it_is_refused(served):
    port, _, key = served
    for path, headers, status in [
        ("/sign-in", {"Content-Type": FORM.decode()}, 413),
        ("/api/v1/usage", {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}, 413),
        ("/api/v1/usage", {"Content-Type": "application/json", "Authorization": "Bearer sk_live_x"}, 401),
        ("/nothing", {"Content-Type": FORM.decode()}, 404),
    ]:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        client.request("POST", path, b"x" * 40 * MIB, headers)

        assert client.getresponse().status == status, path
        client.close()


def test_a_client_that_waits_to_be_asked_sends_nothing(served):
    port, _, _ = served
    head = f"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM.decode()}\r\n"
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    client.connect()

    client.sock.sendall(f"{head}Expect: 100-continue\r\nContent-Length: {16 * MIB}\r\n\r\n".encode())

    assert client.sock.recv(20).startswith(b"HTTP/1.1 413 ")
    client.close()


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "chunked"])
def test_twenty_large_forms_at_once_take_little_memory(chunked, served):
    port, process, key = served
    load = Load("", "/sign-in", FORM, repeated(b"%41", 16 * MIB, b"a="), 16 * MIB, chunked=chunked)

    outcome = measure(port, process, load, key)

    assert outcome.statuses == {"413": 20}
    assert outcome.peak - outcome.before < MOST_MIB
    assert send(port, Load("", "/sign-in", FORM, lambda: [b"a=1"], 3), key) == "403"
