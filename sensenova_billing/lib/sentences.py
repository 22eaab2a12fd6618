"""Sentences that are stored in English, in the language of the page that shows them."""

import re
from collections.abc import Collection, Mapping
from functools import cache

from django.utils.translation import gettext

_NO_WORDS: Mapping[str, str] = {}


def in_words(text: str, *, made_from: Collection[str], words: Mapping[str, str] = _NO_WORDS) -> str:
    """Return a text in the language of the page, by the one of these from which it was made; else as it is.

    What stands in its fields stays, but for the words that are given with the texts that are marked for them.
    """
    for sentence in made_from:
        if found := _pattern(sentence).fullmatch(text):
            translated = gettext(sentence)
            fields = found.groupdict().items()
            filled = {name: gettext(words[value]) if value in words else value for name, value in fields}
            return text if translated == sentence else translated % filled
    return text


@cache
def _pattern(sentence: str) -> re.Pattern[str]:
    """Return what matches each text that the sentence gives once its fields are filled in."""
    split = re.split(r"%\((\w+)\)s", sentence)
    texts, names = split[::2], split[1::2]
    fields = [*(f"(?P<{name}>.+?)" for name in names), ""]
    literal = (re.escape(text.replace("%%", "%")) for text in texts)
    return re.compile(
        "".join(f"{text}{field}" for text, field in zip(literal, fields, strict=True)), re.DOTALL
    )
