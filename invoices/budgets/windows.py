"""The present windows of budgets, as they were last written."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from usage.limits.budget_windows import budget_window
from usage.models import Budget, BudgetUse


class PresentWindow(NamedTuple):
    """A budget with its present window; `use` is None until a call is admitted or usage summed up in it."""

    budget: Budget
    begins_at: dt.datetime
    ends_at: dt.datetime
    use: BudgetUse | None

    @property
    def used(self) -> Decimal:
        """What was used."""
        return self.use.used if self.use else Decimal(0)

    @property
    def held(self) -> Decimal:
        """What is reserved."""
        return self.use.held if self.use else Decimal(0)

    @property
    def left(self) -> Decimal:
        """What is neither used nor reserved; not below 0."""
        return max(self.budget.amount - self.used - self.held, Decimal(0))

    @property
    def shares_reached(self) -> list[int]:
        """The shares of which alerts were written, in percent."""
        return sorted(alert.percent for alert in self.use.alerts.all()) if self.use else []


def present_windows(budgets: Sequence[Budget], *, now: dt.datetime) -> list[PresentWindow]:
    """Return the window of each budget in which this instant is; their customers are read with them."""
    uses = BudgetUse.objects.filter(budget__in=budgets, begins_at__lte=now, ends_at__gt=now)
    found = {(use.budget_id, use.begins_at): use for use in uses.prefetch_related("alerts")}
    windows = []
    for budget in budgets:
        begins_at, ends_at = budget_window(period=budget.period, time_zone=budget.customer.time_zone, at=now)
        windows.append(PresentWindow(budget, begins_at, ends_at, found.get((budget.pk, begins_at))))
    return windows
