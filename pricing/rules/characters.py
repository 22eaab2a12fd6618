"""How many characters a text has, as the price page charges them (docs/pricing.md, "Characters").

Source: price page, "each Chinese character, single English letter, and punctuation mark counts as one
character". Where it is silent, ours: a digit, a space and an emoji are one each, whatever a reader sees as
one (a letter with its accents, an emoji with its modifiers) is one; line breaks, tabs, other control and
invisible characters are none; the tags of an SSML document are none, its entities one.
"""

import html
import re
import unicodedata

from wcwidth import iter_graphemes

_SSML = re.compile(r"\s*(<\?xml[^>]*\?>\s*)?<speak[\s>]")
# Control, format (zero-width and direction marks), line and paragraph separators.
_INVISIBLE = {"Cc", "Cf", "Zl", "Zp"}


def count_characters(text: str) -> int:
    """Return the number of characters charged for this text."""
    if _SSML.match(text):
        text = html.unescape(_without_tags(text))
    if text.isascii():
        return sum(character.isprintable() for character in text)
    return sum(not _is_invisible(cluster) for cluster in iter_graphemes(text))


def _without_tags(text: str) -> str:
    """Return the spoken text of SSML, in one pass however many tags are left open.

    A regular expression would search again from every open tag: minutes for a hostile text.
    """
    spoken, place = [], 0
    last_comment_end = text.rfind("-->")
    while (opening := text.find("<", place)) != -1:
        if text.startswith("<!--", opening) and opening + 4 <= last_comment_end:
            end = text.find("-->", opening + 4) + 3
        elif (closing := text.find(">", opening)) != -1:
            end = closing + 1
        else:
            break
        spoken.append(text[place:opening])
        place = end
    spoken.append(text[place:])
    return "".join(spoken)


def _is_invisible(cluster: str) -> bool:
    return all(unicodedata.category(character) in _INVISIBLE for character in cluster)
