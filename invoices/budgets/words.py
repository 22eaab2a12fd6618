"""A budget in words."""

from django.utils.translation import gettext

from invoices.metadata_words import metadata_word
from usage.models import Budget


def budget_in_words(budget: Budget) -> str:
    """Return e.g. `200.00 RMB a day for all services, Project search`."""
    words = gettext("%(budget)s for all services") % {"budget": budget}
    if budget.service is not None:
        words = gettext("%(budget)s for %(service)s") % {"budget": budget, "service": budget.service.name}
    if not budget.metadata_name:
        return words
    return gettext("%(budget)s, %(calls)s") % {"budget": words, "calls": calls_in_words(budget)}


def calls_in_words(budget: Budget) -> str:
    """Return e.g. `Project search`; empty for all calls."""
    if not budget.metadata_name:
        return ""
    return f"{metadata_word(budget.metadata_name)} {budget.metadata_value}"
