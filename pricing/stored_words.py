"""Sentences of the catalogue that are made in English, in the language of the page that shows them.

What proposals would do is stored; problems of files come from modules that know no Django; and the database
has its own messages for rows that it refuses.
"""

import re
from functools import cache

from django.utils.translation import gettext, gettext_noop

from pricing.models import UNIT_SIZES, unit_text
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from sensenova_billing.lib.sentences import sentence_of

# What proposals would do; the longer ones of those that begin alike come first.
DEEDS = (
    gettext_noop("Import of %(file)s"),
    gettext_noop("Own prices of %(customer)s from %(at)s UTC"),
    gettext_noop("Change %(item)s for %(customer)s to %(price)s %(period)s"),
    gettext_noop("Change %(item)s to %(price)s %(period)s"),
    gettext_noop("Put %(item)s on sale at %(price)s %(period)s"),
    gettext_noop("Offer %(items)s at %(percent)s %% off %(period)s"),
    gettext_noop("Offer %(items)s %(period)s"),
    gettext_noop("Make %(items)s free %(period)s"),
    gettext_noop("End %(number)s prices %(when)s, %(cancelled)s of them cancelled before they begin"),
    gettext_noop("End %(number)s prices %(when)s"),
    gettext_noop("Cancel %(item)s: %(price)s, %(period)s"),
    gettext_noop("End %(item)s: %(price)s %(when)s"),
    gettext_noop("Copy the prices of %(source)s to %(target)s %(period)s"),
    gettext_noop(
        "Take back %(number)s prices: %(ended)s ended now, %(cancelled)s cancelled before beginning"
    ),
    gettext_noop(
        "Take back %(item)s: %(price)s: %(ended)s ended now, %(cancelled)s cancelled before beginning"
    ),
    gettext_noop("Sell %(product)s for %(price)s %(begin)s until %(end)s"),
    gettext_noop("Sell %(product)s for %(price)s %(begin)s"),
    gettext_noop("End the sale of %(product)s at once"),
    gettext_noop("End the sale of %(product)s at %(at)s"),
    gettext_noop("Cancel the terms of %(product)s from %(at)s on"),
)
# What their fields hold.
_PARTS = (
    gettext_noop("%(number)s billing items"),
    gettext_noop("%(service)s: %(measure)s"),
    gettext_noop("%(service)s %(measure)s"),
    gettext_noop("%(price)s (%(kind)s)"),
    gettext_noop("%(digits)s RMB/%(unit)s"),
    gettext_noop("%(price)s RMB (list price %(list_price)s)"),
    gettext_noop("%(price)s a unit and day"),
    gettext_noop("%(price)s a unit and month"),
    gettext_noop("%(price)s RMB"),
    gettext_noop("Free trial for a limited time"),
    gettext_noop("from now until %(at)s"),
    gettext_noop("from now on"),
    gettext_noop("at once"),
    gettext_noop("now"),
    gettext_noop("at %(at)s"),
    gettext_noop("from %(begins)s until %(ends)s %(zone)s (%(utc_begins)s until %(utc_ends)s UTC)"),
    gettext_noop("from %(begins)s %(zone)s (%(utc_begins)s UTC)"),
    gettext_noop("from %(utc_begins)s until %(utc_ends)s UTC"),
    gettext_noop("from %(utc_begins)s UTC"),
    gettext_noop("from %(at)s"),
)
# What cannot be read of a file or in a field.
PROBLEMS = (
    gettext_noop("%(file)s is larger than %(size)s MB."),
    gettext_noop("%(file)s cannot be read: %(problem)s"),
    gettext_noop("%(file)s states nothing: below a head with the columns it needs at least one row."),
    gettext_noop("It has more than %(number)s rows."),
    gettext_noop("It has more than %(number)s lines."),
    gettext_noop("It is damaged, or no Excel workbook (.xlsx)."),
    gettext_noop("Unpacked it is larger than %(size)s MB."),
    gettext_noop("It is an old Excel workbook (.xls), or has a password: save it as a plain .xlsx."),
    gettext_noop(
        "It is neither a workbook (.xlsx) nor text in UTF-8 (line %(line)s). "
        "Save it as 'CSV UTF-8', or as a workbook."
    ),
    gettext_noop("It is neither a workbook (.xlsx) nor text in UTF-8: it holds null characters."),
    gettext_noop("There is no such sheet; there are %(sheets)s."),
    gettext_noop("This column is missing: a CSV file begins with the line %(head)s"),
    gettext_noop("This column is missing."),
    gettext_noop("There is a second column of this name."),
    gettext_noop("There is no such column; there are %(columns)s."),
    gettext_noop("%(sheet)s is no sheet; there are %(sheets)s."),
    gettext_noop("The %(sheet)s have no such column."),
    gettext_noop("%(text)s stands under no column."),
    gettext_noop("This is a formula: put its value here."),
    gettext_noop("The spreadsheet says %(text)s here."),
    gettext_noop("This is a time of day or a duration, %(text)s: write 2026-12-01T00:00:00Z."),
    gettext_noop("It holds a character that is none."),
    gettext_noop("%(text)s is no list of names with commas between them."),
    gettext_noop("%(text)s is given twice."),
    gettext_noop("%(text)s is no weight such as SenseChat-5/output_tokens: 2."),
    gettext_noop("%(text)s is not a whole number. %(problem)s"),
    gettext_noop("%(text)s is not a decimal number. %(problem)s"),
    gettext_noop("%(text)s is not an instant such as 2026-12-01T00:00:00Z."),
    gettext_noop("%(text)s does not say in which zone: write 2026-12-01T00:00:00Z."),
    gettext_noop("%(text)s is too far away. %(problem)s"),
    gettext_noop("%(text)s is none of %(values)s."),
    gettext_noop("%(text)s is neither yes nor empty."),
    gettext_noop("Give 0 or more."),
    gettext_noop("Give a whole number, e.g. 1500 or 1,500."),
    gettext_noop("Give a number of at most 18 digits."),
    gettext_noop("Give digits, with a point before the decimals, e.g. 1500 or 0.04."),
    gettext_noop("Give at most %(number)s digits."),
    gettext_noop(
        "Prices and call specifications lie in the years 1970 to 8999 (UTC); "
        "leave the end empty where there is none."
    ),
)
# Messages of the database's triggers; sql/ of each package has them.
OF_THE_DATABASE = (
    gettext_noop("%(name)s on %(service)s: %(problem)s"),
    gettext_noop("%(name)s is an alias of %(service)s: remove the alias before a service has this name."),
    gettext_noop("%(name)s is the name of a service, which comes first: as an alias it would never count."),
    gettext_noop("A price stays with its billing item."),
    gettext_noop("A quota package is never changed or deleted; it may end before it expires, once."),
    gettext_noop(
        "The end of a call specification that has begun can only be moved from the future, "
        "and not into the past."
    ),
    gettext_noop("The end of a price that has begun can only be moved from the future into the future."),
    gettext_noop("These terms have begun: only their end can still be moved, and not into the past."),
    gettext_noop("These terms have begun: what they cover cannot be changed any more."),
    gettext_noop("This call specification has begun: only its end can still be moved."),
    gettext_noop(
        "This item would be without a price for everybody: end a price only where another takes over."
    ),
    gettext_noop("This price has begun: only its end can still be moved."),
)
_SENTENCES = (*DEEDS, *PROBLEMS, *OF_THE_DATABASE)
_NESTED = {"item", "items", "price", "period", "when", "begin", "problem"}


def stored_in_words(text: str) -> str:
    """Return such a sentence in the language of the page; one that is not known stays as it is."""
    if gettext(DEEDS[0]) == DEEDS[0]:  # English
        return text
    return _in_words(text, _SENTENCES)


def _in_words(text: str, sentences: tuple[str, ...]) -> str:
    found = sentence_of(text, made_from=sentences, fitting=_fitting)
    if found is None:
        return text
    sentence, fields = found
    return gettext(sentence) % {name: _field(name, value) for name, value in fields.items()}


def _field(name: str, value: str) -> str:
    if name in _NESTED:
        return _in_words(value, _SENTENCES if name == "problem" else _PARTS)
    return gettext(_words().get(value, "")) if name in {"measure", "kind", "unit"} else value


@cache
def _words() -> dict[str, str]:
    """Return the words of prices, also as within a sentence, with the texts that are translated."""
    labels = [one.label for one in (*Measure, *Kind)]
    units = [unit_text(measure=measure, unit_size=size) for measure in Measure for size in UNIT_SIZES]
    return {word: word for word in (*labels, *units)} | {label.lower(): label for label in labels}


def _fitting(name: str) -> str:
    """Return what a field can hold: where sentences name several things, blanks do not tell them apart."""
    words = "|".join(re.escape(word) for word in sorted(_words(), key=len, reverse=True))
    match name:
        case "measure" | "kind" | "unit":
            return words
        case "item" | "items":
            return rf"[0-9,]+ billing items|.+?:? (?:{words})"
        case "price":
            return r"[0-9.,]+(?: RMB.*?)?|Free trial for a limited time"
        case "period" | "when" | "begin":
            return r"(?:from|at|now)\b.*?"
        case "number" | "percent" | "digits" | "ended" | "cancelled":
            return "[0-9.,]+"
        case _:
            return ".+?"
