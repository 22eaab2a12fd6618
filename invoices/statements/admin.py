"""Statements in the admin: to read, and to correct by a new one."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from invoices.account.form_page import form_page
from invoices.account.forms import ReversalForm
from invoices.models import Statement
from invoices.statements.issue import NothingToCorrect, correct_statement
from invoices.templatetags.amounts import exact, grouped, instant_text
from sensenova_billing.lib import clock
from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import action, display
from sensenova_billing.lib.admin.links import row_link
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin

_CHANGE = "admin:invoices_statement_change"


class StatementAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """Every statement, the newest first."""

    ordering = ("-sequence",)
    list_display = ("number", "customer_link", "month_text", "payable_text", "issued_text", "corrects_text")
    list_filter = ("month",)
    list_select_related = ("customer", "corrects", "corrected_by")
    search_fields = ("number", "customer_code", "customer_name", "buyer_name", "buyer_tax_id")
    list_per_page = 50
    show_full_result_count = False
    fields = (
        *("number", "customer_link", "month_text", "time_zone", "span_text", "bills_text", "usage_text"),
        *(
            "purchases_text",
            "credits_text",
            "adjustments_text",
            "exact_text",
            "payable_text",
            "tax_text",
            "buyer_text",
        ),
        *("seller_text", "issued_text", "corrects_text", "reason"),
    )
    actions_detail = ("correct",)

    def has_correct_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """With the permission to add statements."""
        return bool(request.user.has_perm("invoices.add_statement"))

    @display(description=_("customer"), ordering="customer_code")
    def customer_link(self, statement: Statement) -> str:
        """With a link."""
        return row_link("accounts_customer", statement.customer_id, statement.customer_code)

    @display(description=_("month"), ordering="month")
    def month_text(self, statement: Statement) -> str:
        """By the customer's clock."""
        return f"{statement.month:%Y-%m}"

    @display(description=_("payable (RMB)"), ordering="payable")
    def payable_text(self, statement: Statement) -> str:
        """Truncated to the fen."""
        return exact(statement.payable)

    @display(description=_("issued (UTC)"), ordering="issued_at")
    def issued_text(self, statement: Statement) -> str:
        """To the second."""
        return instant_text(statement.issued_at)

    @display(description=_("supersedes"))
    def corrects_text(self, statement: Statement) -> str:
        """Of a corrected statement, or of one that is superseded."""
        if later := getattr(statement, "corrected_by", None):
            return gettext("superseded by %(number)s") % {"number": later.number}
        return statement.corrects.number if statement.corrects else "-"

    @display(description=_("closings (UTC)"))
    def span_text(self, statement: Statement) -> str:
        """From and until."""
        return f"{instant_text(statement.begins_at)} - {instant_text(statement.ends_at)}"

    @display(description=_("hourly bills"))
    def bills_text(self, statement: Statement) -> str:
        """How many."""
        return grouped(statement.bills)

    @display(description=_("usage (RMB)"))
    def usage_text(self, statement: Statement) -> str:
        """The exact sum of the hourly bills."""
        return exact(statement.usage_amount)

    @display(description=_("packages bought (RMB)"))
    def purchases_text(self, statement: Statement) -> str:
        """Their sum."""
        return exact(statement.purchases_amount)

    @display(description=_("credits (RMB)"))
    def credits_text(self, statement: Statement) -> str:
        """Of packages that were refunded."""
        return exact(statement.credits_amount)

    @display(description=_("by hand (RMB)"))
    def adjustments_text(self, statement: Statement) -> str:
        """Charges less credits."""
        return exact(statement.adjustments_amount)

    @display(description=_("exact amount (RMB)"))
    def exact_text(self, statement: Statement) -> str:
        """Before it is truncated."""
        return exact(statement.amount)

    @display(description=_("net and tax (RMB)"))
    def tax_text(self, statement: Statement) -> str:
        """As the payable is divided."""
        return f"{exact(statement.net)} + {exact(statement.tax)} ({statement.tax_rate.normalize():f})"

    @display(description=_("buyer"))
    def buyer_text(self, statement: Statement) -> str:
        """As it was named when it was issued."""
        return ", ".join(
            filter(None, (statement.buyer_name, statement.buyer_tax_id, statement.buyer_address))
        )

    @display(description=_("seller"))
    def seller_text(self, statement: Statement) -> str:
        """The same."""
        return ", ".join(filter(None, (statement.seller_name, statement.seller_tax_id)))

    @action(description=_("Correct the names"), url_path="correct", permissions=["correct"])
    def correct(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, and issue a statement that names seller and buyer as they are now."""
        statement: Any = self.get_object(request, object_id)
        if statement is None:
            raise Http404
        form = ReversalForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            by = request.user.get_username()
            try:
                later = correct_statement(statement=statement, **form.cleaned_data, by=by, now=clock.now())
            except NothingToCorrect as refusal:
                form.add_error(None, gettext("Nothing was issued. %(reason)s") % {"reason": refusal})
            else:
                words = {"later": later.number, "earlier": statement.number}
                messages.success(request, gettext("%(later)s is issued and supersedes %(earlier)s.") % words)
                return redirect(reverse(_CHANGE, args=[later.pk]))
        return form_page(
            self,
            request,
            form,
            title=gettext("Correct the names on %(number)s") % {"number": statement.number},
            button=gettext("Issue a corrected statement"),
            note=gettext("It has the same amounts, and the names and addresses as they are now."),
            back=reverse(_CHANGE, args=[statement.pk]),
        )
