"""Reasons that are stored in English, in the language of the page: why an hour is parked or alarms."""

from django.utils.translation import gettext_noop

from pricing.rules.measures import Measure
from sensenova_billing.lib.sentences import in_words


def parked_because(reason: str) -> str:
    """Return why an hour was parked, as bill_hour.sql found."""
    return in_words(reason, made_from=_PARKED, words=_COUNTED)


def alarms_because(reason: str) -> str:
    """Return why an open hour alarms."""
    return in_words(reason, made_from=_ALARMS)


_PARKED = (
    gettext_noop("There is no such customer."),
    gettext_noop(
        "It corrects what was charged before, and an earlier hour of this customer is still parked."
    ),
    gettext_noop("%(what)s: %(consumed)s consumed, %(billed)s billed."),
    gettext_noop("%(lines)s charge lines are more than %(most)s."),
    gettext_noop("%(amount)s RMB in an hour is more than %(most)s RMB."),
    gettext_noop("The tokens beyond the TPM that was bought are %(share)s %% of it; more than %(most)s %%."),
    gettext_noop(
        "%(amount)s RMB is more than %(times)s times the usual %(usual)s RMB an hour of this customer."
    ),
)
_COUNTED = {measure.label: measure.label for measure in Measure} | {"Records": gettext_noop("Records")}
_ALARMS = (
    gettext_noop("RMB %(amount)s in an hour is more than RMB %(most)s."),
    gettext_noop(
        "RMB %(amount)s is more than %(times)s times the usual RMB %(usual)s an hour of this customer."
    ),
)
