"""One caller of the hammer, a process of its own: asks, makes no call, and reports as if it had made one.

`python -m tests.limits.caller JOURNAL`, which says when it is ready and is then told its order: a line with a
JSON object that has the fields of `Order`.
"""

import datetime as dt
import http.client
import json
import sys
import time
from dataclasses import dataclass
from random import Random
from typing import Any, TextIO

from tests.limits.calls import ADMIT, COUNT, REFUSED, RELEASE, SECOND, SETTLE

SECONDS_TO_ANSWER = 20
# Of a hundred admitted calls so many are released, and so many settled; the rest is left as it is.
RELEASED, SETTLED = 15, 50
# In percent of the estimate.
USED = (70, 80, 90, 100, 110, 120, 130)
LATEST_BACK = SECOND // 10


class WrongAnswer(Exception):
    """An answer that no caller should get."""


@dataclass(frozen=True)
class Order:
    """What a caller is to do; instants are nanoseconds of the monotonic clock."""

    port: int
    key: str
    name: str
    customer: str
    service: str
    begins: int
    ends: int
    least_tokens: int
    most_tokens: int
    unasked: int  # beside a hundred admitted calls so many just happen
    is_patient: bool  # comes back when Retry-After says, and not all the time
    refusals: int | None = None  # after so many it goes, though the time is not over


class Caller:
    """Goes on until the time is over."""

    def __init__(self, order: Order, journal: TextIO) -> None:
        self._order = order
        self._journal = journal
        self._random = Random(order.name)
        self._made = 0
        self._refused = 0
        self._connection = http.client.HTTPConnection("127.0.0.1", order.port, timeout=SECONDS_TO_ANSWER)

    def call(self) -> None:
        """Call again and again."""
        self._wait_until(self._order.begins)
        while time.monotonic_ns() < self._order.ends and self._refused != self._order.refusals:
            self._made += 1
            call_id = f"{self._order.name}.{self._made}"
            tokens = self._random.randint(self._order.least_tokens, self._order.most_tokens)
            if self._ask(call_id, tokens):
                self._end(call_id, tokens)
                if self._random.randrange(100) < self._order.unasked:
                    self._report(COUNT, f"{call_id}.unasked", tokens)
        self._connection.close()

    def _ask(self, call_id: str, tokens: int) -> bool:
        """Tell whether the call may be made; if not, wait."""
        body = {**self._whose(), "estimated_tokens": tokens, "call_id": call_id}
        began, answered, status, headers = self._exchange("POST", "/api/v1/calls", body, {200, 429})
        self._note(ADMIT if status == 200 else REFUSED, call_id, began, answered, tokens)
        self._refused += status == 429
        if status == 429 and self._refused != self._order.refusals:
            back = int(headers["Retry-After"]) * SECOND if self._order.is_patient else 0
            if back:
                self._connection.close()  # the server does not keep it so long
            back += self._random.randrange(LATEST_BACK)
            self._wait_until(min(answered + back, self._order.ends))
        return status == 200

    def _end(self, call_id: str, tokens: int) -> None:
        """Let an admitted call come to one of its ends, or to none."""
        way = self._random.randrange(100)
        if way < RELEASED:
            began, answered, _, _ = self._exchange("DELETE", f"/api/v1/calls/{call_id}", None, {200})
            self._note(RELEASE, call_id, began, answered)
        elif way < RELEASED + SETTLED:
            self._report(SETTLE, call_id, tokens * self._random.choice(USED) // 100)

    def _report(self, action: str, call_id: str, tokens: int) -> None:
        body = {
            **self._whose(),
            "event_id": call_id,
            "occurred_at": dt.datetime.now(dt.UTC).isoformat(),
            "input_tokens": tokens // 2,
            "output_tokens": tokens - tokens // 2,
            **({"call_id": call_id} if action == SETTLE else {}),
        }
        began, answered, _, _ = self._exchange("POST", "/api/v1/usage", body, {200})
        self._note(action, call_id, began, answered, tokens)

    def _whose(self) -> dict[str, str]:
        return {"customer": self._order.customer, "service": self._order.service}

    def _exchange(
        self, method: str, path: str, body: dict[str, Any] | None, right: set[int]
    ) -> tuple[int, int, int, http.client.HTTPMessage]:
        """Return the instants around a request, and its answer's status and headers."""
        headers = {"Authorization": f"Bearer {self._order.key}", "Content-Type": "application/json"}
        sent = None if body is None else json.dumps(body).encode()
        began = time.monotonic_ns()
        self._connection.request(method, path, sent, headers)
        response = self._connection.getresponse()
        told = response.read()
        answered = time.monotonic_ns()
        if response.status not in right:
            raise WrongAnswer(f"{method} {path} {sent!r}: {response.status} {told[:500]!r}")
        return began, answered, response.status, response.headers

    def _note(self, action: str, call_id: str, began: int, answered: int, tokens: int | None = None) -> None:
        noted = {"action": action, "id": call_id, "began": began, "answered": answered, "tokens": tokens}
        self._journal.write(json.dumps(noted) + "\n")

    def _wait_until(self, instant: int) -> None:
        time.sleep(max(instant - time.monotonic_ns(), 0) / SECOND)


def main(journal: str) -> None:
    """Carry out the order."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    order = Order(**json.loads(sys.stdin.readline()))
    with open(journal, "w") as kept:
        Caller(order, kept).call()


if __name__ == "__main__":
    main(*sys.argv[1:])
