"""A file of usage, as a sender or provider keeps it: CSV with a head, a line for each call.

`event_id` is needed. Of the measures (`input_tokens`, `output_tokens`, ...) those in the file are compared.
`service` and `occurred_at` (with an offset) tell what a call costs that is missing here.
"""

import csv
import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

from django.utils.translation import gettext, gettext_noop

from pricing.rules.measures import MAX_QUANTITY, Measure
from sensenova_billing.lib.numbers import read_whole_number

OTHER_COLUMNS = ("event_id", "service", "occurred_at")


class UnreadableFile(ValueError):
    """The head or a line is not what it must be; the text names it."""

    def __init__(self, sentence: str, **values: object) -> None:
        """Take the sentence that is translated, and what is filled in."""
        super().__init__(sentence % values)
        self._sentence, self._values = sentence, values

    def in_words(self) -> str:
        """Return the text in the language of the page."""
        return gettext(self._sentence) % self._values


class UsageFile:
    """The lines of a file, read as they come."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Read the head; raise UnreadableFile."""
        self._reader = csv.reader(lines)
        head = [name.strip().removeprefix("\ufeff") for name in next(self._read(), [])]
        self._places = {name: place for place, name in enumerate(head)}
        self.measures = [measure for measure in Measure if measure in self._places]
        if len(self._places) != len(head):
            raise UnreadableFile(gettext_noop("The head names a column twice."))
        if "event_id" not in self._places or not self.measures:
            raise UnreadableFile(
                gettext_noop("The head must name event_id and a measure, such as input_tokens.")
            )

    def rows(self) -> Iterator[list[Any]]:
        """Yield line number, event id, service, instant and the quantities; raise UnreadableFile."""
        for row in self._read():
            if not row:
                continue
            line = self._reader.line_num
            if len(row) != len(self._places):
                words = gettext_noop("Line %(line)s has %(columns)s columns, the head %(head)s.")
                raise UnreadableFile(words, line=line, columns=len(row), head=len(self._places))
            event_id, service, instant = (self._text(row, name) for name in OTHER_COLUMNS)
            if not event_id or "\0" in "".join(row):
                words = gettext_noop("Line %(line)s has no event id, or a character that no text holds.")
                raise UnreadableFile(words, line=line)
            quantities = [self._quantity(row, measure, line) for measure in self.measures]
            yield [line, event_id, service or None, self._instant(instant, line), *quantities]

    def _read(self) -> Iterator[list[str]]:
        try:
            yield from self._reader
        except (csv.Error, UnicodeDecodeError) as error:
            words = gettext_noop("After line %(line)s it is no CSV in UTF-8.")
            raise UnreadableFile(words, line=self._reader.line_num) from error

    def _text(self, row: list[str], name: str) -> str:
        place = self._places.get(name)
        return "" if place is None else row[place]

    def _quantity(self, row: list[str], measure: Measure, line: int) -> int:
        text = self._text(row, measure)
        try:
            number = read_whole_number(text) if text else 0
        except ValueError as error:
            words = gettext_noop("Line %(line)s: %(measure)s is %(value)r, which is no whole number.")
            raise UnreadableFile(words, line=line, measure=measure.value, value=text) from error
        if number > MAX_QUANTITY:
            words = gettext_noop("Line %(line)s: %(measure)s is more than %(most)s.")
            raise UnreadableFile(words, line=line, measure=measure.value, most=MAX_QUANTITY)
        return number

    @staticmethod
    def _instant(text: str, line: int) -> dt.datetime | None:
        if not text:
            return None
        try:
            instant = dt.datetime.fromisoformat(text)
        except ValueError as error:
            words = gettext_noop("Line %(line)s: %(value)r is no time.")
            raise UnreadableFile(words, line=line, value=text) from error
        if instant.tzinfo is None:
            words = gettext_noop("Line %(line)s: %(value)r lacks an offset, such as Z or +08:00.")
            raise UnreadableFile(words, line=line, value=text)
        return instant
