"""Whatever of PostgreSQL is killed: in no 60 seconds are more calls admitted than the limit."""

import http.client
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from benchmarks.server import manage, web
from sensenova_billing.dev_server import postgres
from tests.faults.nemesis import sessions
from tests.sensenova_billing.processes import eventually, postmasters, temporary_data_directory

RPM = 60
UNAVAILABLE = (503, "database_away")
HELD = (503, "limits_unavailable")
PREPARE = """
from accounts.audit.context import audit_context
from accounts.api_keys.keys import issue_service_key
from accounts.models import Customer
with audit_context(by="test", reason="A test."):
    for code in ("acme", "globex"):
        Customer.objects.create(code=code, name=code)
print(issue_service_key(name="gateway", scopes=["calls:admit"])[1])
"""


class Product:
    """A running product on a PostgreSQL that can be killed."""

    def __init__(self, stack: ExitStack, prepared: Path) -> None:
        self._stack = stack
        self.directory = stack.enter_context(temporary_data_directory(prepared))
        self.url = postgres.database_url(self.directory)
        self.start()
        self.key = manage(self.url, "shell", "-v0", code=PREPARE).split()[-1]
        self.port, _ = stack.enter_context(web(self.url))

    def start(self) -> None:
        """Start PostgreSQL."""
        self._stack.callback(postgres.stop, postgres.start(self.directory))

    def kill_server(self) -> None:
        """Kill PostgreSQL with all of its processes' memory, and start it again."""
        (postmaster,) = postmasters(self.directory)
        os.kill(postmaster, signal.SIGKILL)
        assert eventually(lambda: not postmasters(self.directory), seconds=20)
        self.start()

    def kill_session(self) -> None:
        """Kill one process of PostgreSQL, after which it starts anew by itself."""
        os.kill(sessions(self.url, busy=False)[0], signal.SIGKILL)

    def ask(self, customer: str) -> tuple[int, str, str]:
        """Ask for a call; return the status, the code of a refusal, and when to ask again."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        body = json.dumps({"customer": customer, "service": "SenseChat-5", "estimated_tokens": 1})
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        try:
            connection.request("POST", "/api/v1/calls", body, headers)
            answer = connection.getresponse()
            decoded = json.loads(answer.read())
        finally:
            connection.close()
        return answer.status, decoded.get("error", {}).get("code", ""), answer.headers.get("Retry-After", "")

    def end_hold(self) -> None:
        """Let the minute be over for which nothing is admitted."""
        with psycopg.connect(self.url) as connection:
            connection.execute("UPDATE usage_windowstore SET held_from = 0, held_until = 0")


@pytest.fixture(scope="module")
def product(prepared: Path) -> Iterator[Product]:
    with ExitStack() as stack:
        yield Product(stack, prepared)


@pytest.mark.parametrize(
    ("customer", "kill"), [("acme", Product.kill_server), ("globex", Product.kill_session)]
)
def test_a_crash_of_postgresql_admits_no_call_beyond_the_limit(
    product: Product, customer: str, kill: Callable[[Product], None]
) -> None:
    before = [product.ask(customer) for _ in range(40)]
    kill(product)
    after: list[tuple[int, str, str]] = []

    # A call may be admitted before PostgreSQL has noticed that its process was killed.
    def is_held() -> bool:
        after.append(product.ask(customer))
        return after[-1][:2] == HELD

    assert eventually(is_held, seconds=60), after
    after += [product.ask(customer) for _ in range(RPM - 40 + 1)]

    assert [admitted for admitted, _, _ in before] == [200] * 40
    assert [*before, *after].count((200, "", "")) <= RPM
    # Each web worker finds out for itself that its connection broke.
    *_, (status, code, seconds) = (answer for answer in after if answer[:2] != UNAVAILABLE)
    assert (status, code) == HELD
    assert 1 <= int(seconds) <= 61
    product.end_hold()
    assert [product.ask(customer)[0] for _ in range(RPM + 1)] == [200] * RPM + [429]
