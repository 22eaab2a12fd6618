"""Paying online: the form, the way to the provider and back, and the provider's call-backs."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.api_keys.customer_access import customer_of_finance, customer_of_person
from accounts.customer_page import customer_page
from accounts.models import Customer
from invoices.account.transactions import balance_of
from invoices.models import DisputeState, OnlinePayment, PaymentState, Statement
from invoices.payments.callbacks import apply_callback
from invoices.payments.choice import calling_provider, chosen_provider
from invoices.payments.fake_provider import fake_callback, fake_dispute
from invoices.payments.forms import PayForm
from invoices.payments.orders import PaymentRefused, open_checkout, order_payment
from invoices.payments.provider import (
    MOST_AT_ONCE,
    CallbackKind,
    CallbackRefused,
    PaymentProvider,
    ProviderRefused,
    ProviderUnavailable,
)
from invoices.payments.provider_names import FAKE
from invoices.payments.review import last_review
from sensenova_billing.lib import clock

SECONDS_TO_REFRESH = 10


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def pay_online(request: HttpRequest, code: str) -> HttpResponse:
    """Ask how much is paid, of a statement or ahead, and lead to the provider."""
    customer = customer_of_finance(person=request.user, code=code)
    provider = chosen_provider()
    if provider is None:
        raise Http404
    statement = _statement(customer, request.GET.get("statement", "").replace("\0", ""))
    owed = max(-balance_of(customer), Decimal(0))
    if request.method == "POST":
        form = PayForm(request.POST)
        url = _checkout_url(request, form, customer, statement, provider)
        if url:
            return redirect(url)
    else:
        form = PayForm(None, amount=_suggested(owed, statement))
    context = {"form": form, "statement": statement, "owed": owed}
    return customer_page(request, "pay_online.html", customer, context, status=400 if form.errors else 200)


@never_cache
@login_required
@require_safe
def customer_payment(request: HttpRequest, code: str, order_id: UUID) -> HttpResponse:
    """The state of a payment, to which the provider leads back; it looks again while it waits."""
    customer = customer_of_person(person=request.user, code=code)
    payment = get_object_or_404(customer.online_payments.select_related("statement"), order_id=order_id)
    now = clock.now()
    is_waiting = payment.state == PaymentState.WAITING
    is_over = is_waiting and payment.expires_at is not None and payment.expires_at <= now
    context = {
        "payment": payment,
        "is_waiting": is_waiting,
        "is_over": is_over,
        "review": last_review(payment),
        "disputes": payment.disputes.all(),
    }
    page = customer_page(request, "online_payment.html", customer, context)
    if is_waiting and not is_over:
        page.headers["Refresh"] = str(SECONDS_TO_REFRESH)
    return page


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def fake_checkout(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """The page of the provider for development: say how the payment ends."""
    provider = calling_provider(FAKE)
    payment = (
        OnlinePayment.objects.select_related("customer").filter(order_id=order_id, provider=FAKE).first()
    )
    if provider is None or payment is None:
        raise Http404
    customer = customer_of_finance(person=request.user, code=payment.customer.code)
    if request.method == "POST":
        if callback := provider.read_callback(
            body=_fake_body(payment, request.POST.get("ends", "")), headers={}
        ):
            apply_callback(callback=callback, provider=FAKE, now=clock.now())
        return redirect("customer_payment", customer.code, payment.order_id)
    return customer_page(request, "fake_checkout.html", customer, {"payment": payment})


@csrf_exempt  # signed by the provider
@never_cache
@require_POST
def payment_callback(request: HttpRequest, provider: str) -> HttpResponse:
    """Apply a call-back of a provider; it comes again until it is answered with 2xx."""
    calling = calling_provider(provider)
    if calling is None or provider == FAKE:
        raise Http404
    try:
        callback = calling.read_callback(body=request.body, headers=request.headers)
    except CallbackRefused:
        return HttpResponse("The call-back is not signed, or cannot be read.\n", "text/plain", status=400)
    except ProviderUnavailable:
        return HttpResponse("The payment provider does not answer.\n", "text/plain", status=503)
    if callback:
        apply_callback(callback=callback, provider=provider, now=clock.now())
    return HttpResponse(status=204)


def _statement(customer: Customer, number: str) -> Statement | None:
    """Return the statement that is to be paid, unless it is superseded; none to top up."""
    present = customer.statements.filter(corrected_by=None)
    return get_object_or_404(present, number=number) if number else None


def _checkout_url(
    request: HttpRequest,
    form: PayForm,
    customer: Customer,
    statement: Statement | None,
    provider: PaymentProvider,
) -> str:
    """Return the provider's page for what was ordered; nothing if the form says why there is none."""
    if not form.is_valid():
        return ""
    try:
        payment = order_payment(
            customer=customer,
            **form.cleaned_data,
            statement=statement,
            provider=provider,
            by=request.user.get_username(),
            now=clock.now(),
        )
        path = reverse("customer_payment", args=[customer.code, payment.order_id])
        return open_checkout(
            payment=payment, provider=provider, return_url=request.build_absolute_uri(path)
        ).checkout_url
    except PaymentRefused as refusal:
        form.add_error(None, str(refusal))
    except ProviderRefused as refusal:
        words = gettext("The payment provider does not take this payment: %(reason)s")
        form.add_error(None, words % {"reason": refusal})
    except ProviderUnavailable:
        form.add_error(
            None, gettext("The payment provider does not answer. Nothing was paid; send it again.")
        )
    return ""


def _suggested(owed: Decimal, statement: Statement | None) -> Decimal | None:
    """Return what is owed, of a statement no more than is payable; None if nothing is."""
    amount = min(owed, statement.payable) if statement else owed
    return min(amount, MOST_AT_ONCE) or None


_DISPUTES = {"disputed": DisputeState.NEEDS_RESPONSE, "won": DisputeState.WON, "lost": DisputeState.LOST}


def _fake_body(payment: OnlinePayment, ends: str) -> bytes:
    if ends in _DISPUTES:
        return fake_dispute(payment, _DISPUTES[ends])
    chosen: dict[str, tuple[CallbackKind, Any]] = {
        "failed": (CallbackKind.FAILED, payment.amount),
        "expired": (CallbackKind.EXPIRED, payment.amount),
        "other": (CallbackKind.PAID, payment.amount + 1),
        "refunded": (CallbackKind.REFUNDED, payment.amount),
        "refund_failed": (CallbackKind.REFUND_FAILED, payment.amount),
    }
    kind, amount = chosen.get(ends, (CallbackKind.PAID, payment.amount))
    return fake_callback(payment, kind, amount)
