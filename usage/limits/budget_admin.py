"""Budgets in the admin, to read, never to change: they are their customers'."""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import display
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin
from usage.metadata import calls_in_words
from usage.models import Budget


class BudgetAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """Every budget, the newest first."""

    list_display = (
        *("customer", "service", "calls_text", "period_text", "amount", "is_cap"),
        *("created_at", "removed_at"),
    )
    list_filter = ("is_cap",)
    list_select_related = ("customer", "service")
    search_fields = ("customer__code__exact",)
    search_help_text = _("The whole code of a customer.")
    list_per_page = 50
    fields = (
        *("customer", "service", "calls_text", "period_text", "amount", "alerts_at", "is_cap"),
        *("created_at", "removed_at"),
    )

    @display(description=_("which calls"))
    def calls_text(self, budget: Budget) -> str:
        """The value of metadata that its calls have."""
        return calls_in_words(budget.metadata_name, budget.metadata_value) or gettext("all calls")

    @display(description=_("in each"), ordering="period")
    def period_text(self, budget: Budget) -> str:
        """How long its windows are."""
        return gettext(budget.get_period_display())
