"""Overruns in the admin: the minutes in which customers used more than the TPM that they had bought."""

from django.utils.translation import gettext_lazy as _

from invoices.models import QuotaOverrun
from invoices.templatetags.amounts import grouped
from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import display
from sensenova_billing.lib.admin.links import row_link
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin


class QuotaOverrunAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """Every overrun of the closed hours, the newest first."""

    ordering = ("-minute",)
    list_display = ("minute_utc", "customer", "service", "tokens_text", "bought_text", "above", "bill_link")
    sortable_by = ("minute_utc",)
    list_filter = ("service",)
    list_select_related = ("bill", "service")
    list_per_page = 50
    fields = ("minute_utc", "customer", "service", "tokens_text", "bought_text", "above", "bill_link")

    @display(description=_("minute (UTC)"), ordering="minute")
    def minute_utc(self, overrun: QuotaOverrun) -> str:
        """In UTC, as billing hours are."""
        return f"{overrun.minute:%Y-%m-%d %H:%M}"

    @display(description=_("customer"), ordering="bill__customer_code")
    def customer(self, overrun: QuotaOverrun) -> str:
        """With a link."""
        return row_link("accounts_customer", overrun.bill.customer_id, overrun.bill.customer_code)

    @display(description=_("tokens used"), ordering="tokens")
    def tokens_text(self, overrun: QuotaOverrun) -> str:
        """In thousands."""
        return grouped(overrun.tokens)

    @display(description=_("TPM bought"), ordering="bought")
    def bought_text(self, overrun: QuotaOverrun) -> str:
        """In thousands."""
        return grouped(overrun.bought)

    @display(description=_("above it"))
    def above(self, overrun: QuotaOverrun) -> str:
        """How many tokens, which are not charged."""
        return grouped(overrun.tokens - overrun.bought)

    @display(description=_("bill"))
    def bill_link(self, overrun: QuotaOverrun) -> str:
        """The bill that states it, with a link."""
        return row_link("invoices_hourlybill", overrun.bill_id, overrun.bill.number)
