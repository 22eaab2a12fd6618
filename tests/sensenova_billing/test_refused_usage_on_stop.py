"""A web server that is stopped while it refuses usage loses no count."""

import http.client
import os
import signal

from sensenova_billing.dev_server import postgres
from tests.sensenova_billing.processes import ask, eventually, web_servers

REQUESTS = 200
COUNTED = "SELECT coalesce(sum(records), 0)::bigint FROM usage_refusedusagetotal"


def refuse(port, requests):
    """Send so many reports without a key, and return the statuses of the answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    statuses = set()
    for _ in range(requests):
        connection.request("POST", "/api/v1/usage", "{}", {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        statuses.add(answer.status)
    connection.close()
    return statuses


def test_a_web_server_that_is_stopped_writes_its_counters_first(product):
    url = postgres.database_url(product.directory)
    before = ask(url, COUNTED)
    (server,) = web_servers(product.directory)
    assert refuse(product.port, REQUESTS) == {401}
    os.kill(server, signal.SIGTERM)
    assert eventually(lambda: server not in web_servers(product.directory), seconds=20)

    assert ask(url, COUNTED) - before == REQUESTS
