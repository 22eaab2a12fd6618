"""What is wrong with usage in quarantine, in the language of the page; it is stored as senders read it."""

from django.utils.translation import gettext, gettext_noop

from pricing.rules.measures import Measure
from sensenova_billing.lib.sentences import in_words
from usage.models import QuarantinedUsage

# Of our own payload; other names are those of the sender's format, and stay.
_FIELDS = {
    "customer": gettext_noop("customer"),
    "service": gettext_noop("service"),
    "event_id": gettext_noop("event_id"),
    "occurred_at": gettext_noop("occurred_at"),
    "metadata": gettext_noop("metadata"),
    "outcome": gettext_noop("outcome"),
    "input_tokens": gettext_noop("input_tokens"),
    "cached_input_tokens": gettext_noop("cached_input_tokens"),
    "cache_write_tokens": gettext_noop("cache_write_tokens"),
    "output_tokens": gettext_noop("output_tokens"),
    "input_characters": gettext_noop("input_characters"),
    "seconds": gettext_noop("seconds"),
    "images": gettext_noop("images"),
    "requests": gettext_noop("requests"),
}
_PROBLEMS = (
    gettext_noop("unknown customer"),
    gettext_noop("unknown service"),
    gettext_noop("is more than %(days)s days ago"),
    gettext_noop("is more than %(minutes)s minutes ahead"),
    gettext_noop("%(service)s does not charge for %(what)s"),
    gettext_noop("%(service)s did not charge for %(what)s yet"),
    gettext_noop("%(service)s was not on sale yet"),
    gettext_noop("%(what)s are part of %(whole)s, and cannot be more"),
    gettext_noop("are part of the output tokens, and cannot be more"),
    gettext_noop("must not hold a NUL character"),
    gettext_noop("must not hold control characters or line breaks"),
    gettext_noop("is not valid Unicode"),
    gettext_noop("must be an object"),
    gettext_noop("must be a string"),
    gettext_noop("must be a whole number"),
    gettext_noop("must be a number without an exponent"),
    gettext_noop("must not be a number with a fraction or an exponent"),
    gettext_noop("must be Unix seconds"),
    gettext_noop("must be success or failure"),
    gettext_noop("must be %(digits)s hexadecimal digits, not all of them 0"),
    gettext_noop("no customer is given"),
    gettext_noop("no model is given"),
    gettext_noop("is malformed"),
    gettext_noop("the call was answered, but no tokens are given"),
    gettext_noop("is not a kind of call that can be charged"),
    gettext_noop("neither prompt_tokens nor completion_tokens is given"),
    gettext_noop("is %(total)s, but the tokens are %(sum)s"),
    gettext_noop("is %(total)s, but input and output are %(sum)s"),
    gettext_noop("is more than the %(whole)s that it is part of"),
    gettext_noop("without %(total)s it may be part of the input or not"),
    gettext_noop("%(total)s alone cannot be billed: input and output have their own prices"),
    gettext_noop("has fewer tokens than the payload"),
    gettext_noop("has no text whose characters could be counted"),
    gettext_noop("has no seconds"),
    gettext_noop("has no output_image_count"),
    gettext_noop("is redacted, and has the number of searches"),
    gettext_noop("has no billable quantity"),
    gettext_noop("has quantities of more than one format"),
    gettext_noop("is not a known count, and would be lost"),
    gettext_noop("names of counts that are not plain: %(number)s"),
    gettext_noop("differs from %(field)s"),
    gettext_noop("differs from the record that is stored under this event id"),
    gettext_noop("differs from the stored record"),
    gettext_noop("Object missing required field `%(field)s`"),
    gettext_noop("Object contains unknown field `%(field)s`"),
    gettext_noop("Expected `%(type)s`, got `%(given)s`"),
    gettext_noop("Expected `%(type)s` %(bound)s"),
    gettext_noop("Invalid RFC3339 encoded datetime"),
)
# As problems write the names of measures.
_MEASURES = {measure.label.lower(): measure.label for measure in Measure}


def problem_in_words(held: QuarantinedUsage) -> str:
    """Return the field and what is wrong with it."""
    problem = reason_in_words(held.problem)
    return f"{field_in_words(held.field)}: {problem}" if held.field else problem


def field_in_words(field: str) -> str:
    """Return the name of a field of a payload."""
    return gettext(_FIELDS[field]) if field in _FIELDS else field


def reason_in_words(reason: str) -> str:
    """Return what is wrong with a field."""
    return in_words(reason, made_from=_PROBLEMS, words=_MEASURES)
