"""A running server with more slow connections than it works on requests at once."""

import contextlib
import http.client
import socket
import time

import pytest

from benchmarks.server import CONNECTIONS, web
from sensenova_billing.dev_server.proxy import find_proxy
from tests.sensenova_billing.processes import output_of, server_on_copy

SLOW = 300
HEAD = b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\na"


@pytest.fixture(params=["web", "proxy"], ids=["directly", "through the proxy"])
def server(request, product, prepared):
    """The port of a web server without a proxy, or of the proxy in front of one."""
    if request.param == "proxy":
        if not find_proxy():
            pytest.skip("Debian's haproxy is not installed.")
        assert "HAProxy is in front" in output_of(product.directory)
        yield product.port
        return
    with server_on_copy(prepared) as url, web(url, threads=CONNECTIONS) as (port, _):
        yield port


def get(port, path):
    """The status of an answer, and the seconds that it took."""
    begun = time.monotonic()
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status, time.monotonic() - begun


def test_health_checks_and_pages_are_answered_beside_slow_bodies(server):
    with contextlib.ExitStack() as held:
        for _ in range(SLOW):
            slow = held.enter_context(socket.create_connection(("127.0.0.1", server), timeout=20))
            slow.sendall(HEAD)
        answers = [get(server, path) for path in ("/healthz", "/prices", "/readyz") for _ in range(5)]

    assert {status for status, _ in answers} == {200}
    assert sum(seconds for _, seconds in answers) < 20  # a waiting one would take that alone
