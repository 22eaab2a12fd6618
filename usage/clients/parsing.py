"""Parsing shared by the formats of clients: numbers and instants.

Instants are read from the characters of a number, never by floating point. Reasons never quote the payload,
because some formats contain prompts and answers.
"""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any, TypeGuard

import msgspec

from pricing.rules.measures import Measure
from sensenova_billing.lib.api.strict_json import BadItem, read_json
from usage.ingest.payload import ArrivalReport, UsageReport, report_of

_DIGITS = re.compile(r"0|[1-9][0-9]{0,15}")
# Eleven digits of seconds reach beyond the year 5000; ingest rejects instants far from now.
_UNIX_TIME = re.compile(r"([0-9]{1,11})(?:\.([0-9]{1,18}))?")
_DECIMAL = re.compile(r"([0-9]{1,16})\.([0-9])[0-9]*")
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


# What a client calls each measure that it can report.
Names = Mapping[Measure, tuple[str, ...]]

LITELLM_NAMES: Names = {
    Measure.INPUT_TOKENS: ("prompt_tokens",),
    Measure.OUTPUT_TOKENS: ("completion_tokens",),
}


def measure_of_each(names: Names) -> dict[str, str]:
    """Return our name of the measure for each of the client's names."""
    return {theirs: measure.value for measure, client_names in names.items() for theirs in client_names}


class WrittenFloat(float):
    """A JSON number with a fraction or an exponent, with its characters."""

    __slots__ = ("written",)  # a batch may hold a million

    written: str

    def __new__(cls, written: str) -> "WrittenFloat":
        """Store the characters; raise ValueError for a number beyond every float."""
        number = super().__new__(cls, written)
        if number in (float("inf"), float("-inf")):
            raise ValueError("the number is too large")
        number.written = written
        return number


def as_written(value: Any) -> str:
    """Return a JSON value as text, a number with a fraction by its characters."""
    return value.written if isinstance(value, WrittenFloat) else str(value)


def without_spaces(text: str) -> str:
    """Return the text with its spaces escaped, so that parts of an id can be joined by spaces."""
    return text.replace("%", "%25").replace(" ", "%20")


def read_client_json(body: bytes) -> Any:
    """Return the JSON values, numbers with a fraction as WrittenFloat; raise Unreadable."""
    return read_json(body, parse_float=WrittenFloat)


def require_object(field: str, value: Any) -> dict[str, Any]:
    """Return the value; raise BadItem unless it is a JSON object."""
    if not isinstance(value, dict):
        raise BadItem(field, "must be an object")
    return value


def is_whole(value: Any) -> TypeGuard[int]:
    """Whether a JSON value is an integer; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def whole_number(field: str, value: Any) -> int:
    """Return a quantity that is a JSON integer or a string of digits; raise BadItem."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    if is_whole(value):
        return value  # the report checks its bounds
    raise BadItem(field, "must be a whole number")


def nearest_whole(field: str, value: Any) -> int:
    """Return the whole number nearest to a JSON number, half up, or of a string of digits; raise BadItem."""
    if not isinstance(value, WrittenFloat):
        return whole_number(field, value)
    match = _DECIMAL.fullmatch(value.written)
    if match is None:
        raise BadItem(field, "must be a number without an exponent")
    whole, tenths = match.groups()
    return int(whole) + (tenths >= "5")


def unix_time(field: str, value: Any) -> dt.datetime:
    """Return the instant of Unix seconds, a number or a numeric string, to the microsecond; raise BadItem."""
    if isinstance(value, WrittenFloat):
        value = value.written
    elif is_whole(value):
        value = str(value) if abs(value) < 10**11 else "beyond"
    match = _UNIX_TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise BadItem(field, "must be Unix seconds")
    seconds, fraction = match.groups()
    # Truncated, never rounded, as everywhere.
    microseconds = int((fraction or "")[:6].ljust(6, "0"))
    return EPOCH + dt.timedelta(seconds=int(seconds), microseconds=microseconds)


def timed_report(fields: Mapping[str, Any], *, now: dt.datetime) -> UsageReport:
    """Return the report with these fields; a missing `occurred_at` becomes its arrival, now."""
    for field, value in fields.items():
        if isinstance(value, WrittenFloat):
            raise BadItem(field, "must not be a number with a fraction or an exponent")
    if fields.get("occurred_at") is not None:
        return report_of(dict(fields))
    report = report_of(dict(fields) | {"occurred_at": now})
    return ArrivalReport(**msgspec.structs.asdict(report))


def first_given(fields: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """Return the first of these fields that is not missing, null or empty; else None."""
    return next((fields[name] for name in names if fields.get(name) not in (None, "")), None)
