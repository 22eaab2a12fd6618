"""A budget in words."""

from django.utils.translation import gettext

from usage.metadata import calls_in_words
from usage.models import Budget


def budget_in_words(budget: Budget) -> str:
    """Return e.g. `200.00 RMB a day for all services, Project search`."""
    words = gettext("%(budget)s for all services") % {"budget": budget}
    if budget.service is not None:
        words = gettext("%(budget)s for %(service)s") % {"budget": budget, "service": budget.service.name}
    calls = calls_in_words(budget.metadata_name, budget.metadata_value)
    return gettext("%(budget)s, %(calls)s") % {"budget": words, "calls": calls} if calls else words
