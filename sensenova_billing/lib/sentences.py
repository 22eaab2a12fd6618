"""Sentences that are stored in English, in the language of the page that shows them."""

import re
from collections.abc import Callable, Collection, Mapping
from functools import cache

from django.utils.translation import gettext

_NO_WORDS: Mapping[str, str] = {}
# Of a field, the regular expression of what it can hold.
Fitting = Callable[[str], str]


def in_words(text: str, *, made_from: Collection[str], words: Mapping[str, str] = _NO_WORDS) -> str:
    """Return a text in the language of the page, by the one of these from which it was made; else as it is.

    What stands in its fields stays, but for the words that are given with the texts that are marked for them.
    """
    found = sentence_of(text, made_from=made_from)
    if found is None or gettext(found[0]) == found[0]:
        return text
    sentence, fields = found
    filled = {name: gettext(words[value]) if value in words else value for name, value in fields.items()}
    return gettext(sentence) % filled


def _anything(field: str) -> str:
    return ".+?"


def sentence_of(
    text: str, *, made_from: Collection[str], fitting: Fitting = _anything
) -> tuple[str, dict[str, str]] | None:
    """Return the first of these sentences from which a text was made, and its fields; None if it is none."""
    for sentence in made_from:
        if found := _pattern(sentence, fitting).fullmatch(text):
            return sentence, found.groupdict()
    return None


@cache
def _pattern(sentence: str, fitting: Fitting) -> re.Pattern[str]:
    """Return what matches each text that the sentence gives once its fields are filled in."""
    parts = re.split(r"%\((\w+)\)s", sentence)
    parts[::2] = [re.escape(text.replace("%%", "%")) for text in parts[::2]]
    parts[1::2] = [f"(?P<{name}>{fitting(name)})" for name in parts[1::2]]
    return re.compile("".join(parts), re.DOTALL)
