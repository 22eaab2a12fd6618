"""A budget in words."""

from django.utils.translation import gettext

from usage.models import Budget


def budget_in_words(budget: Budget) -> str:
    """Return e.g. `200.00 RMB a day for all services`."""
    if budget.service is None:
        return gettext("%(budget)s for all services") % {"budget": budget}
    return gettext("%(budget)s for %(service)s") % {"budget": budget, "service": budget.service.name}
