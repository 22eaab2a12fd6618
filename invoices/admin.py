"""Closed hours, bills and lines in the admin: to read, never to change."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Customer
from invoices.account.admin import AccountTransactionAdmin
from invoices.adjustments.admin import AdjustmentAdmin
from invoices.bank_import.admin import BankImportAdmin
from invoices.books.admin import VerificationAdmin
from invoices.closing.parking_admin import ParkedHourAdmin
from invoices.corrections.admin import ReratingAdmin
from invoices.drilldown.admin import LinksToRecords, TracedLineAdmin
from invoices.einvoices.admin import EInvoiceRequestAdmin
from invoices.models import (
    AccountTransaction,
    Adjustment,
    BankImport,
    ChargeLine,
    EInvoiceRequest,
    HourlyBill,
    OnlinePayment,
    OpenHourAlarm,
    PackageCredit,
    ParkedHour,
    PaymentCallback,
    QuotaOverrun,
    Rerating,
    Statement,
    Verification,
)
from invoices.monitoring.open_hour_admin import OpenHourAlarmAdmin
from invoices.monitoring.overrun_admin import QuotaOverrunAdmin
from invoices.packages.admin import QuotaPackageAdmin
from invoices.packages.after_sale.credit_admin import PackageCreditAdmin
from invoices.payments.admin import OnlinePaymentAdmin, PaymentCallbackAdmin
from invoices.portal.view_as_admin import ViewedCustomerAdmin
from invoices.price_impact.catalogue_admin import BillingItemAdmin, PriceAdmin, ServiceAdmin
from invoices.price_impact.package_admin import PackageTermsAdmin
from invoices.price_impact.proposal_admin import ProposalAdmin
from invoices.retention.admin import UsageArchiveAdmin
from invoices.statements.admin import StatementAdmin
from invoices.templatetags.amounts import correction_name, exact, grouped, instant_text, rmb, unit
from pricing.models import BillingItem, PackageTerms, Price, Proposal, QuotaPackage, Service
from pricing.words import kind_name, measure_name
from sensenova_billing.lib.admin.base import ModelAdmin, TabularInline
from sensenova_billing.lib.admin.decorators import display
from sensenova_billing.lib.admin.filters import ExactFilter
from sensenova_billing.lib.admin.links import row_link
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin
from usage.models import BillingHour, UsageArchive

admin.site.register(AccountTransaction, AccountTransactionAdmin)
admin.site.register(Adjustment, AdjustmentAdmin)
admin.site.register(BankImport, BankImportAdmin)
admin.site.register(EInvoiceRequest, EInvoiceRequestAdmin)
admin.site.register(Statement, StatementAdmin)
admin.site.register(PackageCredit, PackageCreditAdmin)
admin.site.register(PackageTerms, PackageTermsAdmin)
admin.site.register(OnlinePayment, OnlinePaymentAdmin)
admin.site.register(OpenHourAlarm, OpenHourAlarmAdmin)
admin.site.register(ParkedHour, ParkedHourAdmin)
admin.site.register(PaymentCallback, PaymentCallbackAdmin)
admin.site.register(Proposal, ProposalAdmin)
admin.site.register(QuotaOverrun, QuotaOverrunAdmin)
admin.site.register(QuotaPackage, QuotaPackageAdmin)
admin.site.register(Rerating, ReratingAdmin)
admin.site.register(UsageArchive, UsageArchiveAdmin)
admin.site.register(Verification, VerificationAdmin)
# In place of those of lower apps, which do not know the pages on which prices change and those of customers.
for model, with_buttons in (
    (Service, ServiceAdmin),
    (BillingItem, BillingItemAdmin),
    (Price, PriceAdmin),
    (Customer, ViewedCustomerAdmin),
):
    admin.site.unregister(model)
    admin.site.register(model, with_buttons)


@admin.register(BillingHour)
class BillingHourAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """Every closed hour with what was billed in it."""

    list_display = ("hour_utc", "closed_at", "records", "bills_link", "parked", "amount", "seal_begins")
    list_select_related = ("seal",)
    list_per_page = 48
    fields = (
        *("hour_utc", "closed_at", "records", "bills_link", "lines", "parked", "amount"),
        *("seal_in_full", "previous"),
    )

    @display(description=_("hour (UTC)"), ordering="hour")
    def hour_utc(self, closed: BillingHour) -> str:
        """In UTC, as billing hours are."""
        return f"{closed.hour:%Y-%m-%d %H:%M}"

    @display(description=_("records"), ordering="seal__records")
    def records(self, closed: BillingHour) -> str:
        """How many usage records were billed."""
        return grouped(closed.seal.records)

    @display(description=_("bills"), ordering="seal__bills")
    def bills_link(self, closed: BillingHour) -> str:
        """How many, with a link to them."""
        return _those_of(closed, "invoices_hourlybill", closed.seal.bills)

    @display(description=_("parked"), ordering="seal__parked")
    def parked(self, closed: BillingHour) -> str:
        """How many customers' hours, with a link to them."""
        return _those_of(closed, "invoices_parkedhour", closed.seal.parked) if closed.seal.parked else "0"

    @display(description=_("charge lines"))
    def lines(self, closed: BillingHour) -> str:
        """How many."""
        return grouped(closed.seal.lines)

    @display(description=_("amount (RMB)"), ordering="seal__amount")
    def amount(self, closed: BillingHour) -> str:
        """Every digit."""
        return exact(closed.seal.amount)

    @display(description=_("seal"))
    def seal_begins(self, closed: BillingHour) -> str:
        """Enough of it to compare by eye."""
        return format_html("<code>{}</code>", str(closed.seal)[:12])

    @display(description=_("seal (SHA-256)"))
    def seal_in_full(self, closed: BillingHour) -> str:
        """All of it."""
        return format_html("<code>{}</code>", str(closed.seal))


def _those_of(closed: BillingHour, model: str, number: int) -> str:
    query = urlencode({"hour__hour": closed.hour.isoformat()})
    url = reverse(f"admin:{model}_changelist")
    return format_html('<a class="underline" href="{}?{}">{}</a>', url, query, grouped(number))


class ChargeLineInline(ReadOnlyAdmin, LinksToRecords, TabularInline):
    """The lines of a bill."""

    model = ChargeLine
    verbose_name_plural = _("charge lines")
    hide_title = True
    fields = (
        "service_name",
        "item",
        "correction_text",
        "used_in",
        "records_link",
        "quantity_text",
        "price_text",
        "kind",
        "amount_text",
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> Any:
        """With the bill, which tells late lines, and the corrected lines' bills, read at once."""
        return super().get_queryset(request).select_related("bill", "corrects__bill", "rerating", "package")

    @display(description=_("billing item"))
    def item(self, line: ChargeLine) -> str:
        """As the price page words it."""
        return measure_name(line.measure)

    @display(description=_("correction"))
    def correction_text(self, line: ChargeLine) -> str:
        """The corrected bill and the re-rating, with links."""
        if line.corrects is None:
            return ""
        corrected = line.corrects.bill
        bill = reverse("admin:invoices_hourlybill_change", args=[corrected.pk])
        text = format_html(
            '{}: <a class="underline" href="{}">{}</a>',
            correction_name(line.correction),
            bill,
            corrected.number,
        )
        if line.rerating_id is None:
            return text
        rerating = reverse("admin:invoices_rerating_change", args=[line.rerating_id])
        link = format_html('<a class="underline" href="{}">{}</a>', rerating, gettext("re-rating"))
        return format_html("{}, {}", text, link)

    @display(description=_("used in (UTC)"))
    def used_in(self, line: ChargeLine) -> str:
        """The hour of the usage, and whether it came late."""
        hour = f"{line.usage_hour:%Y-%m-%d %H:%M}"
        return gettext("%(hour)s (late)") % {"hour": hour} if line.is_late else hour

    @display(description=_("quantity"))
    def quantity_text(self, line: ChargeLine) -> str:
        """In thousands."""
        return grouped(line.quantity)

    @display(description=_("unit price (RMB)"))
    def price_text(self, line: ChargeLine) -> str:
        """With its unit."""
        return f"{exact(line.unit_price)} / {unit(line)}"

    @display(description=_("price kind"))
    def kind(self, line: ChargeLine) -> str:
        """And whether it was agreed with this customer; or which package covers the usage."""
        if line.package:
            url = reverse("admin:pricing_quotapackage_change", args=[line.package_id])
            words = gettext('covered by <a class="underline" href="{url}">{number}</a>')
            return format_html(words, url=url, number=line.package.number)
        kind = kind_name(line.price_kind)
        return gettext("%(kind)s, own price") % {"kind": kind} if line.is_own_price else kind

    @display(description=_("amount (RMB)"))
    def amount_text(self, line: ChargeLine) -> str:
        """Every digit."""
        return exact(line.amount)


@admin.register(ChargeLine)
class ChargeLineAdmin(ReadOnlyAdmin, TracedLineAdmin):
    """Charge lines with their records; found from their bills, or from a record."""


class BilledCustomerFilter(ExactFilter):
    """By the code of a customer."""

    title, parameter_name, lookup = _("customer code"), "customer", "customer__code"


@admin.register(HourlyBill)
class HourlyBillAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """Bills with their lines."""

    # Not "-hour": that would follow the billing hours' own order, newest first, backwards.
    ordering = ("-hour_id", "customer_code")
    list_display = ("number", "customer_link", "hour_utc", "records_text", "amount_text", "issued_at")
    list_filter = (BilledCustomerFilter,)
    list_filter_submit = True
    # By any other column, the bills of all years would be read and put in order.
    sortable_by = ("number", "hour_utc")
    search_fields = ("number",)
    search_help_text = _("The whole number of a bill, or a customer's code or name.")
    list_per_page = 50
    fields = (
        "number", "customer_link", "hour_link", "records_text", "rounded", "amount_text", "issued_text",
        "sealed_text",
    )  # fmt: skip
    inlines = (ChargeLineInline,)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[HourlyBill], search_term: str
    ) -> tuple[QuerySet[HourlyBill], bool]:
        """Find customers by a part of code or name, and their bills by an index: there are millions."""
        term = search_term.strip().replace("\0", "")
        if not term:
            return queryset, False
        customers = Customer.objects.filter(Q(code__icontains=term) | Q(name__icontains=term))
        keys = list(customers.order_by().values_list("pk", flat=True))
        return queryset.filter(Q(number=term) | Q(customer_id__in=keys)), False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Let the billing hours link to their bills."""
        return lookup == "hour__hour" or super().lookup_allowed(lookup, value, request)

    @display(description=_("customer"), ordering="customer_code")
    def customer_link(self, bill: HourlyBill) -> str:
        """With a link."""
        return row_link("accounts_customer", bill.customer_id, bill.customer_code)

    @display(description=_("billing hour (UTC)"), ordering="hour_id")
    def hour_utc(self, bill: HourlyBill) -> str:
        """In UTC, as billing hours are."""
        return f"{bill.hour_id:%Y-%m-%d %H:%M}"

    @display(description=_("billing hour (UTC)"))
    def hour_link(self, bill: HourlyBill) -> str:
        """With a link."""
        return row_link("usage_billinghour", bill.hour_id, self.hour_utc(bill))

    @display(description=_("records"), ordering="records")
    def records_text(self, bill: HourlyBill) -> str:
        """In thousands."""
        return grouped(bill.records)

    @display(description=_("amount (RMB)"), ordering="amount")
    def amount_text(self, bill: HourlyBill) -> str:
        """Every digit."""
        return exact(bill.amount)

    @display(description=_("total to the fen"))
    def rounded(self, bill: HourlyBill) -> str:
        """As pages show it."""
        return rmb(bill.amount)

    @display(description=_("issued (UTC)"))
    def issued_text(self, bill: HourlyBill) -> str:
        """To the second."""
        return instant_text(bill.issued_at)

    @display(description=_("sealed with (UTC)"))
    def sealed_text(self, bill: HourlyBill) -> str:
        """The hour with whose closing it was issued: a later one if it was parked."""
        text = f"{bill.sealed_in_id:%Y-%m-%d %H:%M}"
        if bill.sealed_in_id != bill.hour_id:
            text = gettext("%(hour)s: it was parked") % {"hour": text}
        return row_link("usage_billinghour", bill.sealed_in_id, text)
