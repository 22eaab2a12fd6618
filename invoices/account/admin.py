"""Account transactions in the admin: to read, to book and to reverse, never to change."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from invoices.account.form_page import form_page
from invoices.account.forms import BookingForm, ReversalForm
from invoices.account.transactions import TransactionRefused, amount_of, balance_of, book, reverse_transaction
from invoices.models import AccountTransaction, TransactionKind
from invoices.templatetags.account import transaction_words
from invoices.templatetags.amounts import exact, instant_text
from pricing.changes.base_form import offered_codes
from sensenova_billing.lib import clock
from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import action, display
from sensenova_billing.lib.admin.filters import TranslatedChoicesFilter
from sensenova_billing.lib.admin.links import row_link
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin

_CHANGELIST = "admin:invoices_accounttransaction_changelist"
_CHANGE = "admin:invoices_accounttransaction_change"


class AccountTransactionAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """Every transaction, the newest first."""

    ordering = ("-id",)
    list_display = (
        "booked_text",
        "customer_link",
        "words",
        "reference",
        "amount_text",
        "value_date",
        "by_text",
    )
    list_filter = (("kind", TranslatedChoicesFilter), "at")
    list_select_related = ("customer", "statement")
    search_fields = ("reference", "customer__code", "customer__name", "reason", "key")
    list_per_page = 50
    show_full_result_count = False
    fields = (
        *("booked_text", "customer_link", "words", "reference", "amount_text", "value_date", "reason"),
        *("by_text", "entries_text", "balance_text"),
    )
    actions_detail = ("reverse",)

    def get_queryset(self, request: HttpRequest) -> Any:
        """With the entries, read at once."""
        return super().get_queryset(request).prefetch_related("entries")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """With the permission to add transactions."""
        return bool(request.user.has_perm("invoices.add_accounttransaction"))

    def has_reverse_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """The same."""
        return self.has_add_permission(request)

    @display(description=_("booked (UTC)"), ordering="id")
    def booked_text(self, booked: AccountTransaction) -> str:
        """To the second."""
        return instant_text(booked.at)

    @display(description=_("customer"), ordering="customer__code")
    def customer_link(self, booked: AccountTransaction) -> str:
        """With a link."""
        return row_link("accounts_customer", booked.customer_id, booked.customer.code)

    @display(description=_("what"), ordering="kind")
    def words(self, booked: AccountTransaction) -> str:
        """Its kind, and whether it is a reversal."""
        return transaction_words(booked)

    @display(description=_("amount (RMB)"))
    def amount_text(self, booked: AccountTransaction) -> str:
        """As it was booked; of a reversal it is negative."""
        return exact(amount_of(booked))

    @display(description=_("booked by"), ordering="by")
    def by_text(self, booked: AccountTransaction) -> str:
        """A person, or the clock."""
        return booked.by or gettext("the clock")

    @display(description=_("entries (RMB)"))
    def entries_text(self, booked: AccountTransaction) -> str:
        """Both sides."""
        sides = ((gettext(one.get_account_display()), exact(one.amount)) for one in booked.entries.all())
        return "; ".join(f"{account} {amount}" for account, amount in sides)

    @display(description=_("customer's balance now (RMB)"))
    def balance_text(self, booked: AccountTransaction) -> str:
        """Below 0 it owes."""
        return exact(balance_of(booked.customer))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Ask for customer, kind and amount, and book it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        initial = {"value_date": f"{clock.now():%Y-%m-%d}", "kind": TransactionKind.PAYMENT.value}
        form = BookingForm(request.POST if request.method == "POST" else None, **initial)
        if form.is_valid():
            try:
                booked = book(**form.cleaned_data, by=request.user.get_username(), now=clock.now())
            except TransactionRefused as refusal:
                form.add_error(None, gettext("Nothing was booked. %(reason)s") % {"reason": refusal})
            else:
                words = {"what": booked, "customer": booked.customer.code}
                messages.success(request, gettext("Booked for %(customer)s: %(what)s.") % words)
                return redirect(reverse(_CHANGE, args=[booked.pk]))
        return form_page(
            self,
            request,
            form,
            title=gettext("Book on a customer's account"),
            codes=offered_codes(),
            button=gettext("Book"),
            note=gettext("A transaction is never changed. One that was booked in error is reversed."),
            back=reverse(_CHANGELIST),
        )

    @action(description=_("Reverse"), url_path="reverse", permissions=["reverse"])
    def reverse(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, and book the opposite."""
        booked: Any = self.get_object(request, object_id)
        if booked is None:
            raise Http404
        form = ReversalForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            by = request.user.get_username()
            try:
                reverse_transaction(booked=booked, **form.cleaned_data, by=by, now=clock.now())
            except TransactionRefused as refusal:
                form.add_error(None, gettext("Nothing was booked. %(reason)s") % {"reason": refusal})
            else:
                messages.success(request, gettext("%(what)s is reversed.") % {"what": booked})
                return redirect(reverse(_CHANGELIST))
        return form_page(
            self,
            request,
            form,
            title=gettext("Reverse %(what)s") % {"what": booked},
            button=gettext("Reverse %(amount)s RMB") % {"amount": exact(amount_of(booked))},
            note=gettext("The opposite is booked, and both stay on the account."),
            back=reverse(_CHANGE, args=[booked.pk]),
        )
