"""What the tests of the client formats share: posting as a client does, and the tables of bad values."""

import json
from typing import Any

from django.test import Client

from accounts.api_keys.keys import issue_service_key
from tests.builders import at
from usage.models import UsageRecord

HALF_PAST = at(30)
UNIX = f"{int(HALF_PAST.timestamp())}"

BAD_NUMBERS = {
    "NaN": (400, "NaN"),
    "1e999": (400, "1e999"),
    "-1": (422, "-1"),
    "0.5": (422, "0.5"),
    "1.0": (422, "1.0"),
    "1e3": (422, "1e3"),
    "2^53 + 1": (422, "9007199254740993"),
    "10^40": (422, "1" + "0" * 40),
    "true": (422, "true"),
    "text": (422, '"twelve"'),
    "empty text": (422, '""'),
    "text with spaces": (422, '" 12 "'),
    "text with a fraction": (422, '"12.0"'),
    "text beyond 2^53": (422, '"9007199254740993"'),
    "full-width digits": (422, '"１２"'),
    "half of a surrogate pair": (422, r'"\ud800"'),
    "leading zero": (400, "012"),
    "list": (422, "[12]"),
    "object": (422, "{}"),
}
BAD_STRINGS = {
    "empty": '""',
    "NUL": r'"a\u0000"',
    "lone surrogate": r'"a\ud800"',
    "256 characters": json.dumps("x" * 256),
    "number": "12",
    "fraction": "1.5",
    "list": '["a"]',
    "true": "true",
}
BAD_UNIX_TIMES = {
    "36 days ago": str(int(at(0).timestamp()) - 36 * 86400),
    "a day ahead": str(int(at(0).timestamp()) + 86400),
    "negative": "-1",
    "true": "true",
    "text": '"yesterday"',
    "empty": '""',
    "exponent": "1.7e9",
    "huge": "9" * 30,
    "RFC 3339": json.dumps(at(10).isoformat()),
    "list": "[]",
    "full-width digits": '"１７００００００００"',
    "half of a surrogate pair": r'"\ud800"',
}


def limited_key(*customers: Any) -> str:
    """Return a key that may report for these customers only."""
    return issue_service_key(name="limited", customers=customers)[1]


def send(path: str, body: Any, key: str, content_type: str = "application/json") -> Any:
    """Post a body, JSON unless it is text already, with this key."""
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    return Client().post(path, text, content_type=content_type, headers={"Authorization": f"Bearer {key}"})


def with_raw(sent: dict[str, Any], path: str, value: str) -> str:
    """Return JSON with the value at this dotted path written as these very characters."""
    copy = json.loads(json.dumps(sent))
    place = copy
    *outer, last = path.split(".")
    for name in outer:
        place = place[name]
    place[last] = "@raw@"
    return json.dumps(copy).replace('"@raw@"', value)


def stored() -> tuple[Any, ...]:
    """Return what matters of the only record."""
    found = UsageRecord.objects.select_related("customer", "service").get()
    return found.customer.code, found.service.name, found.input_tokens, found.output_tokens
