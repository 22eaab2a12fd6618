"""Budgets, and the customers with most refused calls, in the admin.

The latter is not a model's list, as refusals have no rows.
"""

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from sensenova_billing.lib import clock
from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import display
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin
from usage.limits.status import LimitsInForce, LimitSource, RefusedCustomer, refused_most
from usage.limits.stores.windows import StoreUnavailable
from usage.metadata import calls_in_words
from usage.models import Budget

MOST_SHOWN = 100


class BudgetAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """Every budget, the newest first; to read, never to change: they are their customers'."""

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


@never_cache
@require_safe
@permission_required("usage.view_refusedcalls", raise_exception=True)
def refused_calls(request: HttpRequest) -> HttpResponse:
    """Show the most refused calls within the last day by customer, service and reason, and the limits now."""
    try:
        refused = refused_most(now=clock.now(), most=MOST_SHOWN)
    except StoreUnavailable:
        refused = None
    context = {
        **admin.site.each_context(request),
        "title": gettext("Refused calls"),
        "refused": refused,
        "table": {
            "headers": [
                *(gettext("Customer"), gettext("Service"), gettext("Refused"), gettext("Calls")),
                *(gettext("Limits now"), gettext("Call specifications")),
            ],
            "rows": [_row(one) for one in refused.rows] if refused else [],
        },
    }
    return render(request, "admin/refused_calls.html", context)


def _row(one: RefusedCustomer) -> list[str]:
    own = reverse(
        "admin:pricing_callspecification_changelist", query={"customer__id__exact": one.customer.pk}
    )
    return [
        _link(reverse("admin:accounts_customer_change", args=[one.customer.pk]), one.customer.code),
        one.service.name,
        gettext(one.in_words),
        f"{one.calls:,}",
        _limits(one.in_force),
        _link(own, gettext("its own")),
    ]


def _limits(in_force: LimitsInForce) -> str:
    limits, specification = in_force.limits, in_force.specification
    if limits is None:
        return gettext("none in force")
    tpm = f"{limits.tpm:,} TPM" if limits.tpm else gettext("no TPM")
    words = gettext(", ").join([f"{limits.rpm:,} RPM", tpm])
    if source := in_force.from_packages or ("" if in_force.is_own else gettext("default")):
        words = gettext("%(limits)s (%(source)s)") % {"limits": words, "source": source}
    if specification is None or in_force.source is LimitSource.TPM_PACKAGE:
        return words
    return _link(reverse("admin:pricing_callspecification_change", args=[specification.pk]), words)


def _link(href: str, words: str) -> str:
    return format_html('<a class="underline" href="{}">{}</a>', href, words)
