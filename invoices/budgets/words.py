"""A budget in words."""

from django.utils.translation import gettext

from usage.models import Budget


def budget_in_words(budget: Budget) -> str:
    """Return e.g. `200.00 RMB a day for all services`."""
    facts = {
        "amount": f"{budget.amount:,.2f}",
        "period": gettext(budget.get_period_display()),
        "service": budget.service.name if budget.service else "",
    }
    if budget.service is None:
        return gettext("%(amount)s RMB a %(period)s for all services") % facts
    return gettext("%(amount)s RMB a %(period)s for %(service)s") % facts
