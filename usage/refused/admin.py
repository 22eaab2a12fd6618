"""Refused usage in the admin: how much, of which key and customer, why, and what to do."""

import datetime as dt
from typing import ClassVar

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Customer, ServiceKey
from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import display
from sensenova_billing.lib.admin.filters import ExactFilter, TranslatedChoicesFilter
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin
from usage.models import RefusedUsage


class KeyFilter(ExactFilter):
    """By the name of a service key."""

    title, parameter_name, lookup = _("service key"), "key", "key__name"


class RefusedUsageAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """Every counter, the newest first."""

    list_display = (
        "hour_text",
        "key_link",
        "customer_link",
        "reason_shown",
        "records_text",
        "requests_text",
        "last_text",
    )
    list_filter = (KeyFilter, ("reason", TranslatedChoicesFilter))
    list_filter_submit = True
    list_select_related = ("key", "customer")
    search_fields = ("customer__code",)
    search_help_text = _("The whole code of a customer, or the whole name or public id of a key.")
    list_per_page = 50
    sortable_by = ("hour_text",)
    appears_here: ClassVar[str | Promise] = _(
        "No usage was refused. Reports that are refused appear here, counted by hour, service key, customer "
        "and reason."
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[RefusedUsage], search_term: str
    ) -> tuple[QuerySet[RefusedUsage], bool]:
        """Find the customer and the keys, then their counters by the indexes."""
        term = search_term.strip().replace("\0", "")
        if not term:
            return queryset, False
        keys = ServiceKey.objects.filter(Q(name=term) | Q(public_id=term)).order_by()
        customers = Customer.objects.filter(code=term).order_by()
        found = Q(key__in=[*keys.values_list("pk", flat=True)])
        return queryset.filter(found | Q(customer__in=[*customers.values_list("pk", flat=True)])), False

    fields = (
        "hour_text", "key_link", "customer_link", "reason_text", "records_text", "requests_text",
        "latest_text",
    )  # fmt: skip

    @display(description=_("hour (UTC)"), ordering="hour")
    def hour_text(self, refused: RefusedUsage) -> str:
        """The billing hour."""
        return f"{refused.hour:%Y-%m-%d %H:%M}"

    @display(description=_("service key"), ordering="key")
    def key_link(self, refused: RefusedUsage) -> str:
        """With a link to it."""
        if refused.key is None:
            return gettext("no valid key")
        return _link("admin:accounts_servicekey_change", refused.key.pk, str(refused.key))

    @display(description=_("customer"), ordering="customer")
    def customer_link(self, refused: RefusedUsage) -> str:
        """With a link to it."""
        if refused.customer is None:
            return gettext("not known")
        return _link("admin:accounts_customer_change", refused.customer.pk, refused.customer.code)

    @display(description=_("reason"), ordering="reason")
    def reason_shown(self, refused: RefusedUsage) -> str:
        """In words."""
        return gettext(refused.get_reason_display())

    @display(description=_("reason"))
    def reason_text(self, refused: RefusedUsage) -> str:
        """In words, and the code in docs/operations.md, the log and the metric."""
        return format_html("{} (<code>{}</code>)", gettext(refused.get_reason_display()), refused.reason)

    @display(description=_("records"), ordering="records")
    def records_text(self, refused: RefusedUsage) -> str:
        """In thousands."""
        return f"{refused.records:,}"

    @display(description=_("requests"), ordering="requests")
    def requests_text(self, refused: RefusedUsage) -> str:
        """In thousands."""
        return f"{refused.requests:,}"

    @display(description=_("last (UTC)"), ordering="last_at")
    def last_text(self, refused: RefusedUsage) -> str:
        """To the second."""
        return f"{refused.last_at:%Y-%m-%d %H:%M:%S}"

    @display(description=_("the last few requests (UTC)"))
    def latest_text(self, refused: RefusedUsage) -> SafeString:
        """The time, path and refused records of each of the last requests."""
        requests = (
            (f"{dt.datetime.fromisoformat(one['at']):%Y-%m-%d %H:%M:%S}", one["path"], f"{one['records']:,}")
            for one in refused.latest
        )
        line = gettext("%(at)s %(path)s, records: %(records)s")
        lines = ([line % {"at": at, "path": path, "records": records}] for at, path, records in requests)
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", lines))


def _link(page: str, key: int, words: str) -> str:
    return format_html('<a class="underline" href="{}">{}</a>', reverse(page, args=[key]), words)
