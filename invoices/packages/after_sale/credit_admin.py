"""Credits in the admin: the documents of refunds, to read, never to change."""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from invoices.models import PackageCredit
from invoices.templatetags.amounts import exact, grouped, instant_text
from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import display
from sensenova_billing.lib.admin.filters import ExactFilter, TranslatedChoicesFilter
from sensenova_billing.lib.admin.links import row_link
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin


class CreditedCustomerFilter(ExactFilter):
    """By the code of a customer."""

    title, parameter_name, lookup = _("customer code"), "customer", "customer_code"


class PackageCreditAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """Every credit, the newest first."""

    ordering = ("-issued_at", "number")
    list_display = (
        *("number", "customer_link", "package_link", "product_name", "left_text", "paid_text"),
        *("credited_text", "issued_text"),
    )
    list_filter = (CreditedCustomerFilter, ("package__method", TranslatedChoicesFilter), "issued_at")
    list_filter_submit = True
    list_select_related = ("package__customer",)
    search_fields = ("number", "customer_code", "customer_name", "package__number", "product_name")
    list_per_page = 50
    fields = (
        *("number", "customer_link", "package_link", "product_name", "left_text", "paid_text"),
        *("amount_text", "credited_text", "ends_text", "ordered_by", "issued_text", "sealed_text"),
    )

    @display(description=_("customer"), ordering="customer_code")
    def customer_link(self, credit: PackageCredit) -> str:
        """With a link."""
        return row_link("accounts_customer", credit.package.customer_id, credit.customer_code)

    @display(description=_("package"), ordering="package__number")
    def package_link(self, credit: PackageCredit) -> str:
        """With a link."""
        return row_link("pricing_quotapackage", credit.package_id, credit.package.number)

    @display(description=_("left"))
    def left_text(self, credit: PackageCredit) -> str:
        """Of what was bought."""
        return gettext("%(part)s of %(whole)s") % {
            "part": exact(credit.left, 0),
            "whole": grouped(credit.quantity),
        }

    @display(description=_("paid (RMB)"), ordering="paid")
    def paid_text(self, credit: PackageCredit) -> str:
        """For all of it."""
        return exact(credit.paid)

    @display(description=_("exact amount (RMB)"))
    def amount_text(self, credit: PackageCredit) -> str:
        """The share of the price that is left."""
        return exact(credit.amount)

    @display(description=_("credited (RMB)"), ordering="credited")
    def credited_text(self, credit: PackageCredit) -> str:
        """The same, cut off to the fen."""
        return exact(credit.credited)

    @display(description=_("package ends (UTC)"))
    def ends_text(self, credit: PackageCredit) -> str:
        """With the refund."""
        return instant_text(credit.ends_at)

    @display(description=_("issued (UTC)"), ordering="issued_at")
    def issued_text(self, credit: PackageCredit) -> str:
        """To the second."""
        return instant_text(credit.issued_at)

    @display(description=_("sealed with (UTC)"))
    def sealed_text(self, credit: PackageCredit) -> str:
        """The hour with whose closing it was issued."""
        return row_link("usage_billinghour", credit.sealed_in_id, f"{credit.sealed_in_id:%Y-%m-%d %H:%M}")
