"""Open hours far beyond the usual in the admin: to read."""

from django.utils.translation import gettext_lazy as _

from invoices.models import OpenHourAlarm
from invoices.stored_words import alarms_because
from invoices.templatetags.amounts import exact, instant_text
from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import display
from sensenova_billing.lib.admin.links import row_link
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin


class OpenHourAlarmAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """Every alarm, of the newest hour first."""

    list_display = ("hour_utc", "customer_link", "amount_text", "reason_text", "raised_text", "mailed_text")
    sortable_by = ("hour_utc",)
    list_select_related = ("customer",)
    list_per_page = 50
    fields = ("hour_utc", "customer_link", "amount_text", "reason_text", "raised_text", "mailed_text")

    @display(description=_("hour (UTC)"), ordering="hour")
    def hour_utc(self, alarm: OpenHourAlarm) -> str:
        """In UTC, as billing hours are."""
        return f"{alarm.hour:%Y-%m-%d %H:%M}"

    @display(description=_("customer"), ordering="customer__code")
    def customer_link(self, alarm: OpenHourAlarm) -> str:
        """With a link."""
        return row_link("accounts_customer", alarm.customer_id, alarm.customer)

    @display(description=_("amount so far (RMB)"), ordering="amount")
    def amount_text(self, alarm: OpenHourAlarm) -> str:
        """Every digit, as of the last look."""
        return exact(alarm.amount)

    @display(description=_("reason"))
    def reason_text(self, alarm: OpenHourAlarm) -> str:
        """What looked wrong when it was raised."""
        return alarms_because(alarm.reason)

    @display(description=_("raised (UTC)"), ordering="raised_at")
    def raised_text(self, alarm: OpenHourAlarm) -> str:
        """To the second."""
        return instant_text(alarm.raised_at)

    @display(description=_("mailed (UTC)"))
    def mailed_text(self, alarm: OpenHourAlarm) -> str:
        """Empty if it was not."""
        return instant_text(alarm.mailed_at) if alarm.mailed_at else ""
