"""Online payments and their call-backs in the admin: to read, and to review those that differ."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from invoices.account.form_page import form_page
from invoices.models import (
    CallbackOutcome,
    DisputeState,
    OnlinePayment,
    PaymentCallback,
    PaymentDispute,
    PaymentState,
)
from invoices.payments.forms import ReviewForm
from invoices.payments.provider import CallbackKind
from invoices.payments.review import ReviewRefused, review_callback, unreviewed_callbacks
from invoices.templatetags.amounts import exact, instant_text
from sensenova_billing.lib import clock
from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import action, display
from sensenova_billing.lib.admin.filters import TranslatedChoicesFilter
from sensenova_billing.lib.admin.labels import Label
from sensenova_billing.lib.admin.links import row_link
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin

_KINDS = {
    CallbackKind.PAID: gettext_noop("paid"),
    CallbackKind.FAILED: gettext_noop("failed"),
    CallbackKind.EXPIRED: gettext_noop("expired"),
    CallbackKind.REFUNDED: gettext_noop("refunded"),
    CallbackKind.REFUND_FAILED: gettext_noop("refund failed"),
    CallbackKind.DISPUTED: gettext_noop("disputed"),
}
STATE_COLOURS = {
    PaymentState.WAITING.label: "default",
    PaymentState.PAID.label: "success",
    PaymentState.FAILED.label: "danger",
    PaymentState.EXPIRED.label: "default",
    PaymentState.MISMATCH.label: "warning",
}


class DisputeFilter(admin.SimpleListFilter):
    """Those with a dispute in a state."""

    title = _("dispute")
    parameter_name = "dispute"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """How far a dispute may be."""
        return [(state.value, gettext(state.label)) for state in DisputeState]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those with one in this state."""
        if self.value() not in DisputeState.values:
            return queryset
        disputes = PaymentDispute.objects.filter(state=self.value())
        return queryset.filter(pk__in=disputes.values("payment_id"))


class OnlinePaymentAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """Every online payment, the newest first."""

    ordering = ("-id",)
    list_display = (
        *("ordered_text", "customer_link", "amount_text", "state_text", "received_text", "dispute_text"),
        "provider",
    )
    list_filter = (("state", TranslatedChoicesFilter), DisputeFilter)
    list_select_related = ("customer", "statement", "transaction")
    search_fields = ("customer__code", "customer__name", "provider_id", "reference")
    list_per_page = 50
    show_full_result_count = False
    fields = (
        *("ordered_text", "ordered_by", "customer_link", "statement_text", "amount_text", "state_text"),
        *("received_text", "refunded_text", "transaction_link", "provider", "provider_id", "reference"),
        *("order_id", "disputes_text", "callbacks_text"),
    )
    appears_here = _("Payments that customers make through a payment provider appear here.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the disputes, read at once."""
        return super().get_queryset(request).prefetch_related("disputes")

    @display(description=_("ordered (UTC)"), ordering="id")
    def ordered_text(self, payment: OnlinePayment) -> str:
        """To the second."""
        return instant_text(payment.ordered_at)

    @display(description=_("customer"), ordering="customer__code")
    def customer_link(self, payment: OnlinePayment) -> str:
        """With a link."""
        return row_link("accounts_customer", payment.customer_id, payment.customer.code)

    @display(description=_("statement"))
    def statement_text(self, payment: OnlinePayment) -> str:
        """That which is paid; a top-up has none."""
        statement = payment.statement
        return row_link("invoices_statement", statement.pk, statement.number) if statement else "-"

    @display(description=_("amount (RMB)"), ordering="amount")
    def amount_text(self, payment: OnlinePayment) -> str:
        """As ordered."""
        return exact(payment.amount)

    @display(description=_("state"), ordering="state", label=STATE_COLOURS)
    def state_text(self, payment: OnlinePayment) -> Label:
        """Where staff are to look into it, with the amount that came beside it."""
        state = payment.get_state_display()
        return Label(state, gettext(state))

    @display(description=_("received"))
    def received_text(self, payment: OnlinePayment) -> str:
        """As the provider says, in whatever currency."""
        if payment.received is None or payment.state not in (PaymentState.PAID, PaymentState.MISMATCH):
            return "-"
        return f"{exact(payment.received)} {payment.received_currency}"

    @display(description=_("refunded (RMB)"))
    def refunded_text(self, payment: OnlinePayment) -> str:
        """As the provider says."""
        return exact(payment.refunded)

    @display(description=_("dispute"))
    def dispute_text(self, payment: OnlinePayment) -> str:
        """How the last one stands, and until when it can be answered."""
        last = next(iter(payment.disputes.all()), None)
        return _dispute_words(last) if last else "-"

    @display(description=_("disputes"))
    def disputes_text(self, payment: OnlinePayment) -> str:
        """Each with what moved."""
        return format_html_join(
            "",
            "<div>{}: {}, {}; {}</div>",
            (
                (one.dispute_id, _dispute_words(one), one.reason, _moved(one))
                for one in payment.disputes.all()
            ),
        )

    @display(description=_("booked as"))
    def transaction_link(self, payment: OnlinePayment) -> str:
        """The payment on the account."""
        booked = payment.transaction
        return row_link("invoices_accounttransaction", booked.pk, booked) if booked else "-"

    @display(description=_("call-backs"))
    def callbacks_text(self, payment: OnlinePayment) -> str:
        """Each with what it changed."""
        return format_html_join(
            "",
            "<div>{}: {}, {} {}, {}</div>",
            (
                (
                    instant_text(one.at),
                    row_link("invoices_paymentcallback", one.pk, one.event_id),
                    *(exact(one.amount), one.currency, gettext(one.get_outcome_display())),
                )
                for one in payment.callbacks.order_by("pk")
            ),
        )


def _dispute_words(dispute: PaymentDispute) -> str:
    state = gettext(dispute.get_state_display())
    if dispute.state != DisputeState.NEEDS_RESPONSE or dispute.evidence_by is None:
        return state
    words = {"state": state, "until": instant_text(dispute.evidence_by)}
    return gettext("%(state)s until %(until)s UTC") % words


def _moved(dispute: PaymentDispute) -> str:
    words = {"withdrawn": exact(dispute.withdrawn), "reinstated": exact(dispute.reinstated)}
    return gettext("%(withdrawn)s RMB withdrawn, %(reinstated)s RMB reinstated") % words


class ReviewFilter(admin.SimpleListFilter):
    """Those that differ from their orders: those that wait for a review, and the others."""

    title = _("review")
    parameter_name = "review"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Whether staff have looked into it."""
        return [("waits", gettext("waits for a review")), ("done", gettext("reviewed"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those that wait, or those with a review."""
        if self.value() == "waits":
            return queryset.filter(outcome=CallbackOutcome.MISMATCH, review=None)
        return queryset.exclude(review=None) if self.value() == "done" else queryset


class PaymentCallbackAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """Every call-back, the newest first."""

    ordering = ("-id",)
    list_display = (
        *("at_text", "provider", "event_id", "kind_text", "amount_text", "outcome_text", "payment_link"),
    )
    list_filter = (("outcome", TranslatedChoicesFilter), ReviewFilter)
    list_select_related = ("payment", "review")
    search_fields = ("event_id",)
    list_per_page = 50
    show_full_result_count = False
    fields = (*list_display, "review_text")
    actions_detail = ("review",)
    appears_here = _("What payment providers call back appears here.")

    def has_review_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """With the permission to add transactions, of one that waits for a review."""
        callback: Any = self.get_object(request, object_id) if object_id else None
        waits = callback is not None and unreviewed_callbacks().filter(pk=callback.pk).exists()
        return waits and bool(request.user.has_perm("invoices.add_accounttransaction"))

    @display(description=_("received (UTC)"), ordering="id")
    def at_text(self, callback: PaymentCallback) -> str:
        """To the second."""
        return instant_text(callback.at)

    @display(description=_("what"), ordering="kind")
    def kind_text(self, callback: PaymentCallback) -> str:
        """What the provider says of the payment."""
        return gettext(_KINDS[CallbackKind(callback.kind)])

    @display(description=_("amount"))
    def amount_text(self, callback: PaymentCallback) -> str:
        """With its currency."""
        return f"{exact(callback.amount)} {callback.currency}"

    @display(description=_("outcome"), ordering="outcome")
    def outcome_text(self, callback: PaymentCallback) -> str:
        """What it changed."""
        return gettext(callback.get_outcome_display())

    @display(description=_("review"))
    def review_text(self, callback: PaymentCallback) -> str:
        """What was done about one that differs."""
        if callback.outcome != CallbackOutcome.MISMATCH:
            return "-"
        review = getattr(callback, "review", None)
        if review is None:
            return gettext("waits for a review")
        return f"{review.text} ({review.by}, {instant_text(review.at)} UTC)"

    @action(description=_("Say what was done"), url_path="review", permissions=["review"])
    def review(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask what was done, and store it."""
        callback: Any = self.get_object(request, object_id)
        if callback is None:
            raise Http404
        change = reverse("admin:invoices_paymentcallback_change", args=[callback.pk])
        form = ReviewForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            by = request.user.get_username()
            try:
                review_callback(callback=callback, **form.cleaned_data, by=by, now=clock.now())
            except ReviewRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(request, gettext("%(what)s is reviewed.") % {"what": callback})
                return redirect(change)
        return form_page(
            self,
            request,
            form,
            title=gettext("What was done about %(what)s") % {"what": callback},
            button=gettext("Save the review"),
            note=gettext("Nothing is booked by this: book it by hand, or refund it at the provider, first."),
            back=change,
        )

    @display(description=_("online payment"))
    def payment_link(self, callback: PaymentCallback) -> str:
        """With a link; none of an unknown order."""
        payment = callback.payment
        return row_link("invoices_onlinepayment", payment.pk, payment) if payment else "-"
