"""One caller of the budget hammer, a process of its own: asks, and reports or releases what it was admitted.

`python -m tests.limits.budget_caller JOURNAL`, which says when it is ready and then reads its order: a line
with a JSON object that has the fields of `Order`. The journal has a JSON object for each answer.
"""

import datetime as dt
import http.client
import json
import sys
import time
from dataclasses import dataclass
from random import Random
from typing import Any, TextIO

from tests.limits.caller import SECONDS_TO_ANSWER, WrongAnswer

# Of a hundred admitted calls so many are released; the others are reported.
RELEASED = 10
# In percent of the estimate. No call uses more, for no cap would hold then.
USED = (40, 60, 80, 100)
SECONDS_BACK = 0.5
PROJECTS = ("search", "ads")


@dataclass(frozen=True)
class Order:
    """What a caller is to do; it goes once it is refused so often in a row."""

    port: int
    key: str
    name: str
    customer: str
    service: str
    least_tokens: int
    most_tokens: int
    refusals: int
    seconds: int


class BudgetCaller:
    """Calls until the budget is used up: a smaller one after a refusal, a larger one after an admission."""

    def __init__(self, order: Order, journal: TextIO) -> None:
        self._order = order
        self._journal = journal
        self._random = Random(order.name)
        self._connection = http.client.HTTPConnection("127.0.0.1", order.port, timeout=SECONDS_TO_ANSWER)

    def call(self) -> None:
        """Call again and again."""
        order, most, refused, made = self._order, self._order.most_tokens, 0, 0
        ends = time.monotonic_ns() + order.seconds * 10**9
        while refused < order.refusals and time.monotonic_ns() < ends:
            made += 1
            tokens = self._random.randint(order.least_tokens, most)
            call_id, metadata = f"{order.name}.{made}", {"project": self._random.choice(PROJECTS)}
            if self._is_admitted(call_id, tokens, metadata):
                refused, most = 0, min(most * 2, order.most_tokens)
                self._end(call_id, tokens, metadata)
            elif most > order.least_tokens:
                most = max(most // 2, order.least_tokens)
            else:
                refused += 1
                time.sleep(SECONDS_BACK)
        self._connection.close()

    def _is_admitted(self, call_id: str, tokens: int, metadata: dict[str, str]) -> bool:
        body = self._of_customer() | {"estimated_tokens": tokens, "call_id": call_id, "metadata": metadata}
        status, answer = self._exchange("POST", "/api/v1/calls", body, {200, 403})
        if status == 403 and answer["error"]["code"] != "budget_exhausted":
            raise WrongAnswer(answer)
        self._note("admitted" if status == 200 else "refused", call_id)
        return status == 200

    def _end(self, call_id: str, tokens: int, metadata: dict[str, str]) -> None:
        if self._random.randrange(100) < RELEASED:
            self._exchange("DELETE", f"/api/v1/calls/{call_id}", None, {200})
            self._note("released", call_id)
            return
        used = tokens * self._random.choice(USED) // 100
        self._exchange("POST", "/api/v1/usage", self._report(call_id, used, metadata), {200})
        self._note("reported", call_id, used)

    def _report(self, call_id: str, tokens: int, metadata: dict[str, str]) -> dict[str, Any]:
        return self._of_customer() | {
            "event_id": call_id,
            "call_id": call_id,
            "occurred_at": dt.datetime.now(dt.UTC).isoformat(),
            "input_tokens": tokens // 4,
            "output_tokens": tokens - tokens // 4,
            "metadata": metadata,
        }

    def _of_customer(self) -> dict[str, Any]:
        return {"customer": self._order.customer, "service": self._order.service}

    def _exchange(
        self, method: str, path: str, body: dict[str, Any] | None, right: set[int]
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self._order.key}", "Content-Type": "application/json"}
        self._connection.request(method, path, None if body is None else json.dumps(body).encode(), headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.status not in right:
            raise WrongAnswer(f"{method} {path}: {response.status} {content[:500]!r}")
        return response.status, json.loads(content)

    def _note(self, action: str, call_id: str, tokens: int = 0) -> None:
        self._journal.write(json.dumps({"action": action, "id": call_id, "tokens": tokens}) + "\n")


def main(journal: str) -> None:
    """Carry out the order."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    order = Order(**json.loads(sys.stdin.readline()))
    with open(journal, "w") as kept:
        BudgetCaller(order, kept).call()


if __name__ == "__main__":
    main(*sys.argv[1:])
