"""A file of usage, as a sender or provider keeps it: CSV with a head, a line for each call.

`event_id` is needed. Of the measures (`input_tokens`, `output_tokens`, ...) those in the file are compared.
`service` and `occurred_at` (with an offset) tell what a call costs that is missing here.
"""

import csv
import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

from pricing.rules.measures import MAX_QUANTITY, Measure
from sensenova_billing.lib.numbers import read_whole_number

OTHER_COLUMNS = ("event_id", "service", "occurred_at")


class UnreadableFile(ValueError):
    """The head or a line is not what it must be; the text names it."""


class UsageFile:
    """The lines of a file, read as they come."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Read the head; raise UnreadableFile."""
        self._rows = csv.reader(lines)
        head = [name.strip().removeprefix("\ufeff") for name in next(self._rows, [])]
        self._places = {name: place for place, name in enumerate(head)}
        self.measures = [measure for measure in Measure if measure in self._places]
        if len(self._places) != len(head):
            raise UnreadableFile("The head names a column twice.")
        if "event_id" not in self._places or not self.measures:
            raise UnreadableFile(
                f"The head must name event_id and a measure, such as {Measure.INPUT_TOKENS}."
            )

    def rows(self) -> Iterator[list[Any]]:
        """Yield line number, event id, service, instant and the quantities; raise UnreadableFile."""
        for row in self._rows:
            if not row:
                continue
            line = self._rows.line_num
            if len(row) != len(self._places):
                raise UnreadableFile(f"Line {line} has {len(row)} columns, the head {len(self._places)}.")
            event_id, service, instant = (self._text(row, name) for name in OTHER_COLUMNS)
            if not event_id or "\0" in "".join(row):
                raise UnreadableFile(f"Line {line} has no event id, or a character that no text holds.")
            quantities = [self._quantity(row, measure, line) for measure in self.measures]
            yield [line, event_id, service or None, self._instant(instant, line), *quantities]

    def _text(self, row: list[str], name: str) -> str:
        place = self._places.get(name)
        return "" if place is None else row[place]

    def _quantity(self, row: list[str], measure: Measure, line: int) -> int:
        text = self._text(row, measure)
        try:
            number = read_whole_number(text) if text else 0
        except ValueError as error:
            raise UnreadableFile(f"Line {line}: {measure} is {text!r}. {error}") from error
        if number > MAX_QUANTITY:
            raise UnreadableFile(f"Line {line}: {measure} is more than {MAX_QUANTITY}.")
        return number

    @staticmethod
    def _instant(text: str, line: int) -> dt.datetime | None:
        if not text:
            return None
        try:
            instant = dt.datetime.fromisoformat(text)
        except ValueError as error:
            raise UnreadableFile(f"Line {line}: {text!r} is no time.") from error
        if instant.tzinfo is None:
            raise UnreadableFile(f"Line {line}: {text!r} lacks an offset, such as Z or +08:00.")
        return instant
