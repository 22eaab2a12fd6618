"""Replay a trace of calls as usage, at another time and through the HTTP API.

A trace is a CSV file with the columns TIMESTAMP, ContextTokens and GeneratedTokens, like the Azure LLM
inference traces. All times are moved by the same whole number of hours, so minutes and seconds stay. An event
id consists of file, service, start and line: repeating a replay stores nothing, and a replay to another start
is other usage. The server rejects another file of the same name as a conflict, rather than billing it too.
"""

import csv
import datetime as dt
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from sensenova_billing.lib.numbers import read_whole_number
from usage.billing_hours import hour_of
from usage.ingest.payload import UsageReport
from usage.ingest.record import Receipt
from usage.replay.client import BatchRejected, NotAnswered, send_batch

COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")


class BadTrace(Exception):
    """The file is not a valid trace."""


class ReplayStopped(Exception):
    """Not all calls were stored; the message names those that were not."""


class Call(NamedTuple):
    """One line of a trace."""

    line: int
    called_at: dt.datetime
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class Trace:
    """A valid trace file."""

    file: Path
    calls: int
    first: dt.datetime
    last: dt.datetime


@dataclass(frozen=True)
class Replay:
    """The customer, service and first hour with which a trace is replayed."""

    trace: Trace
    customer: str
    service: str
    start: dt.datetime

    @property
    def last(self) -> dt.datetime:
        """The time of the last call."""
        return self.trace.last + self._shift

    def report(self, call: Call) -> UsageReport:
        """Return the report of a call."""
        return UsageReport(
            event_id=f"{self.trace.file.stem}/{self.service}/{self.start:%Y%m%dT%HZ}/{call.line}",
            customer=self.customer,
            service=self.service,
            occurred_at=call.called_at + self._shift,
            input_tokens=call.input_tokens,
            output_tokens=call.output_tokens,
        )

    @property
    def _shift(self) -> dt.timedelta:
        return self.start - hour_of(self.trace.first)


def read_trace(*, file: Path) -> Trace:
    """Read every line and return the trace; raise BadTrace with the first bad line."""
    count, first, last = 0, None, None
    for count, call in enumerate(_calls(file), start=1):  # noqa: B007
        first = min(first or call.called_at, call.called_at)
        last = max(last or call.called_at, call.called_at)
    if first is None or last is None:
        raise BadTrace(f"{file} holds no calls.")
    return Trace(file=file, calls=count, first=first, last=last)


def replay_trace(
    *,
    replay: Replay,
    client: httpx.Client,
    batch: int,
    progress: Callable[[int], Any] = lambda calls: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Receipt:
    """Send the whole trace in batches and return the totals; raise BadTrace or ReplayStopped."""
    done = Receipt(accepted=0, duplicates=0)
    calls = _calls(replay.trace.file)
    while part := list(islice(calls, batch)):
        try:
            receipt = send_batch(client=client, reports=[replay.report(call) for call in part], sleep=sleep)
        except (BatchRejected, NotAnswered) as error:
            raise ReplayStopped(_what_happened(error=error, part=part, done=done, replay=replay)) from error
        done = Receipt(done.accepted + receipt.accepted, done.duplicates + receipt.duplicates)
        progress(len(part))
    return done


def _calls(file: Path) -> Iterator[Call]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            yield from _read(csv.reader(lines, strict=True), file)
    except OSError as error:
        raise BadTrace(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise BadTrace(f"{file} is not text in UTF-8.") from error


def _read(rows: Any, file: Path) -> Iterator[Call]:
    try:
        if tuple(next(rows, ())) != COLUMNS:
            raise ValueError(f"the columns should be {', '.join(COLUMNS)}")
        for row in rows:
            if row:
                yield _call(rows.line_num, *_three(row))
    except (ValueError, csv.Error) as error:
        raise BadTrace(f"Line {max(rows.line_num, 1)} of {file} cannot be read: {error}.") from error


def _three(row: list[str]) -> tuple[str, str, str]:
    if len(row) != len(COLUMNS):
        raise ValueError(f"it has {len(row)} columns instead of {len(COLUMNS)}")
    return row[0], row[1], row[2]


def _call(line: int, called_at: str, input_tokens: str, output_tokens: str) -> Call:
    return Call(line, _instant(called_at), _quantity(input_tokens), _quantity(output_tokens))


def _instant(text: str) -> dt.datetime:
    # Digits beyond microseconds are truncated, never rounded, which could move a call into the next hour.
    instant = dt.datetime.fromisoformat(text)
    return instant.replace(tzinfo=instant.tzinfo or dt.UTC).astimezone(dt.UTC)


def _quantity(text: str) -> int:
    try:
        return read_whole_number(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a number of tokens") from error


def _what_happened(
    *, error: BatchRejected | NotAnswered, part: list[Call], done: Receipt, replay: Replay
) -> str:
    lines = f"lines {part[0].line} to {part[-1].line}"
    stored = done.accepted + done.duplicates
    before = f"{stored:,} of {replay.trace.calls:,} calls are stored"
    if isinstance(error, NotAnswered):
        return (
            f"The server did not answer for {lines}: {error}; {before}, and of these lines it is not known: "
            "run the same command again, nothing is stored twice."
        )
    if error.details:
        detail = error.details[0]
        bad = f"line {part[detail['index']].line}: {_explained(detail)}"
        return f"The server refused the batch of {lines} for {bad}; nothing of it was stored, {before}."
    return f"The server refused {lines}: {error}; nothing of them was stored, {before}."


def _explained(detail: dict[str, Any]) -> str:
    if "reason" in detail:
        return f"{detail.get('field', '')} {detail['reason']}".strip()
    return (
        f"it is already stored with other content, {detail.get('field')} {detail.get('stored')} "
        f"instead of {detail.get('sent')}"
    )
