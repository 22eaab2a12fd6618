"""Findings of verifications, which are stored in English, in the language of the page."""

from typing import Any

from django.utils.translation import gettext, gettext_noop

from pricing.rules.measures import Measure
from sensenova_billing.lib.sentences import in_words


def finding_in_words(found: dict[str, Any]) -> str:
    """Return a finding as one line of text, as `finding_text` in English."""
    where = [
        f"{found['hour']} UTC" if found["hour"] else "",
        found["bill"] or found["customer"],
        gettext("line %(number)s") % {"number": found["line"]} if found["line"] else "",
    ]
    return gettext("%(what)s: %(where)s: %(text)s") % {
        "what": in_words(found["what"], made_from=_KINDS),
        "where": ", ".join(part for part in where if part) or gettext("the database"),
        "text": in_words(found["text"], made_from=_TEXTS, words=_WORDS),
    }


_KINDS = (
    gettext_noop("amount"),
    gettext_noop("archive"),
    gettext_noop("bill"),
    gettext_noop("billed twice"),
    gettext_noop("chain"),
    gettext_noop("credit"),
    gettext_noop("draw"),
    gettext_noop("gap"),
    gettext_noop("guard"),
    gettext_noop("line"),
    gettext_noop("not due"),
    gettext_noop("package"),
    gettext_noop("parking"),
    gettext_noop("price"),
    gettext_noop("purchase"),
    gettext_noop("rated again"),
    gettext_noop("reversal"),
    gettext_noop("seal"),
    gettext_noop("statement"),
    gettext_noop("total"),
    gettext_noop("unbilled"),
)
# Those with more words first: a shorter one would take the rest of the text for a field.
_TEXTS = (
    # a line
    gettext_noop("says again what line %(line)s says"),
    gettext_noop(
        "no line bills %(quantity)s %(measure)s of %(records)s records used at %(hour)s UTC at price "
        "%(price)s (%(correction)s of line %(line)s), covered by package %(package)s"
    ),
    gettext_noop(
        "no line bills %(quantity)s %(measure)s of %(records)s records used at %(hour)s UTC at price "
        "%(price)s (%(correction)s of line %(line)s)"
    ),
    gettext_noop(
        "no line bills %(quantity)s %(measure)s of %(records)s records used at %(hour)s UTC at price "
        "%(price)s, covered by package %(package)s"
    ),
    gettext_noop(
        "no line bills %(quantity)s %(measure)s of %(records)s records used at %(hour)s UTC at price "
        "%(price)s"
    ),
    gettext_noop("is at price %(price)s, in force was price %(other)s"),
    gettext_noop("names no package, it must be package %(package)s"),
    gettext_noop("names package %(package)s, it must be no package"),
    gettext_noop("names package %(package)s, it must be package %(other)s"),
    gettext_noop(
        "bills %(quantity)s %(measure)s that no record or order explains, and %(amount)s RMB would be its "
        "amount"
    ),
    gettext_noop("bills %(quantity)s %(measure)s that no record or order explains"),
    gettext_noop(
        "bills %(records)s records with %(quantity)s %(measure)s, there are %(due_records)s with %(due)s"
    ),
    gettext_noop(
        "charges %(amount)s RMB, but %(quantity)s x %(unit_price)s / %(unit_size)s is %(due_amount)s RMB"
    ),
    gettext_noop("says %(price)s RMB per %(unit_size)s, it must be %(due_price)s per %(due_unit_size)s"),
    # a draw, a package, a credit
    gettext_noop("draws %(tokens)s tokens of %(package)s that no record explains"),
    gettext_noop("gives back %(tokens)s tokens of %(package)s that no record explains"),
    gettext_noop("draws %(tokens)s tokens of %(package)s, it must be %(due)s"),
    gettext_noop("gives back %(tokens)s tokens of %(package)s, it must be %(due)s"),
    gettext_noop("nothing draws %(tokens)s tokens of %(package)s"),
    gettext_noop("nothing gives back %(tokens)s tokens of %(package)s"),
    gettext_noop("says %(name)s %(value)s of %(package)s, it must be %(due)s"),
    gettext_noop("says %(name)s %(value)s, it must be %(due)s"),
    gettext_noop("%(package)s says %(name)s %(value)s, it must be %(due)s"),
    gettext_noop("leaves less than nothing of %(package)s"),
    gettext_noop("%(package)s has no document"),
    gettext_noop("%(package)s is valid for %(number)s days, not %(due)s"),
    gettext_noop("%(package)s is valid for %(number)s months, not %(due)s"),
    gettext_noop("credit %(number)s: its %(name)s is %(amount)s RMB, not %(due)s RMB"),
    # an hour, a bill, a total
    gettext_noop("%(number)s says %(amount)s RMB, its documents come to %(due)s RMB"),
    gettext_noop("%(number)s is booked with %(amount)s RMB, and %(due)s RMB are payable"),
    gettext_noop("has a seal that was kept outside, and is not closed here"),
    gettext_noop("its seal is not the one that was kept outside"),
    gettext_noop("its seal is missing among those that were kept outside"),
    gettext_noop("its seal is not the one that was verified at %(at)s UTC"),
    gettext_noop("the total of the %(period)s from %(day)s says %(amount)s RMB, not %(due)s RMB"),
    gettext_noop("is the first hour that is closed, but names one before"),
    gettext_noop("does not follow the hour %(hour)s UTC"),
    gettext_noop("%(records)s records are to be billed before the first closed hour"),
    gettext_noop("is not closed, though later hours are; %(records)s records wait for it"),
    gettext_noop("no bill, and not parked: %(records)s records, %(lines)s lines"),
    gettext_noop("bill %(number)s is a second one for the hour"),
    gettext_noop("reversals of %(records)s records that no earlier bill holds"),
    gettext_noop("%(records)s records for which there is no price"),
    gettext_noop("%(quantity)s %(measure)s for which there is no price"),
    gettext_noop("the bill is for %(records)s records, there are %(due)s"),
    gettext_noop("the bill says %(amount)s RMB, its lines come to %(due)s RMB"),
    gettext_noop("has no lines"),
    gettext_noop("is not numbered by its hour and customer"),
    gettext_noop("was billed with a later hour, but was not parked and released"),
    gettext_noop("was parked and billed"),
    gettext_noop("%(records)s records were parked, there are %(due)s"),
    gettext_noop("the hour has no seal"),
    gettext_noop("the seal says %(amount)s RMB, the bills come to %(due)s RMB"),
    gettext_noop("the seal says %(number)s %(name)s, there are %(due)s"),
    gettext_noop("the hour before has no seal"),
    gettext_noop("the documents and the seal before do not give the seal of this hour"),
    gettext_noop(
        "stored, but not made again: %(quantity)s %(measure)s of %(records)s records at price %(price)s, "
        "%(amount)s RMB, %(correction)s"
    ),
    gettext_noop(
        "stored, but not made again: %(quantity)s %(measure)s of %(records)s records at price %(price)s, "
        "%(amount)s RMB"
    ),
    gettext_noop(
        "made again, but not stored: %(quantity)s %(measure)s of %(records)s records at price %(price)s, "
        "%(amount)s RMB, %(correction)s"
    ),
    gettext_noop(
        "made again, but not stored: %(quantity)s %(measure)s of %(records)s records at price %(price)s, "
        "%(amount)s RMB"
    ),
    # an archive
    gettext_noop("%(file)s has another seal for the hour than the books"),
    gettext_noop("%(records)s records of its hours are beside %(file)s"),
    gettext_noop("its records are not verified: %(file)s is not there."),
    gettext_noop(
        "its records are not verified: %(file)s is not the file that was archived: its SHA-256 differs."
    ),
    gettext_noop("its records are not verified: %(file)s cannot be read: %(error)s"),
    gettext_noop(
        "its records are not verified: Archives need pyarrow: install requirements-archive.lock "
        "(docs/retention.md)."
    ),
    # what keeps the books
    gettext_noop("the reversal %(event_id)s is not the record that it reverses, taken back"),
    gettext_noop("the constraint %(name)s of %(table)s is missing or not valid"),
    gettext_noop("the trigger %(name)s of %(table)s is missing"),
    gettext_noop("the trigger %(name)s of %(table)s is switched off"),
    gettext_noop("the trigger %(name)s of %(table)s is not enabled ALWAYS"),
    gettext_noop("the trigger %(name)s of %(table)s no longer refuses UPDATE, DELETE and TRUNCATE"),
    gettext_noop("the trigger %(name)s of %(table)s no longer refuses UPDATE and TRUNCATE"),
    gettext_noop("the trigger %(name)s of %(table)s no longer keeps its rule"),
)
_WORDS = {str(measure): measure.label for measure in Measure} | {
    "reversal": gettext_noop("reversed"),
    "taken_back": gettext_noop("credited"),
    "charged_anew": gettext_noop("rebilled"),
    "day": gettext_noop("day"),
    "month": gettext_noop("month"),
    "tokens": gettext_noop("tokens"),
    "list price": gettext_noop("list price"),
    "price": gettext_noop("price"),
    "quantity": gettext_noop("quantity"),
    "amount": gettext_noop("amount"),
    "credit": gettext_noop("credit"),
    "bills": gettext_noop("bills"),
    "lines": gettext_noop("lines"),
    "records": gettext_noop("records"),
    "parked": gettext_noop("parked"),
    "left_before": gettext_noop("left before"),
    "left": gettext_noop("left"),
    "ran_out_at": gettext_noop("ran out at"),
    "ran_out_event_id": gettext_noop("ran out with"),
    "ran_out_measure": gettext_noop("ran out within"),
    "ran_out_quantity": gettext_noop("ran out after"),
    "service": gettext_noop("service"),
    "measure": gettext_noop("billing item"),
    "price_kind": gettext_noop("price kind"),
    "is_own_price": gettext_noop("own price"),
    "rerating": gettext_noop("re-rating"),
    "None": gettext_noop("none"),
    "True": gettext_noop("yes"),
    "False": gettext_noop("no"),
}
