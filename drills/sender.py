"""A model service that reports usage, and remembers what was acknowledged, as every sender should."""

import datetime as dt
import http.client
import json
from collections.abc import Iterator, Sequence
from typing import Any

from drills.stage import CUSTOMERS, HOUR

Record = dict[str, Any]


class NotTaken(Exception):
    """The server answered something else than 200, or nothing."""


class Sender:
    """Sends records over connections of its own; it holds the ids of those that were acknowledged."""

    def __init__(self, key: str) -> None:
        self._key = key
        self.acknowledged: dict[str, dt.datetime] = {}
        self.sent: dict[str, Record] = {}

    def send(self, port: int, records: Sequence[Record]) -> tuple[int, int]:
        """Send a batch and return how many were new and how many were there; raise NotTaken."""
        self.sent |= {record["event_id"]: record for record in records}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        try:
            connection.request("POST", "/api/v1/usage", json.dumps(records), headers)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise NotTaken(type(error).__name__) from error
        finally:
            connection.close()
        if answer.status != 200:
            raise NotTaken(f"{answer.status} {body.decode()[:300]}")
        at = dt.datetime.now(dt.UTC)
        self.acknowledged |= {record["event_id"]: at for record in records}
        counted = json.loads(body)
        return counted["accepted"], counted["duplicates"]


def calls(hour: dt.datetime, count: int, *, name: str = "call") -> list[Record]:
    """Return calls of every customer of the drill within an hour, the same at each call."""
    return [
        {
            "event_id": f"{name}-{hour:%Y%m%dT%H}-{number}",
            "customer": CUSTOMERS[number % len(CUSTOMERS)],
            "service": "SenseChat-5",
            "occurred_at": (hour + number * HOUR / count).isoformat(),
            "input_tokens": 1000 + number,
            "output_tokens": 7 * number,
        }
        for number in range(count)
    ]


def batches(records: Sequence[Record], size: int) -> Iterator[Sequence[Record]]:
    """Return the records in pieces."""
    for first in range(0, len(records), size):
        yield records[first : first + size]
