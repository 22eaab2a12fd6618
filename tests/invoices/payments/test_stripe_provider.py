"""Stripe's own library opens checkouts at a server that answers as Stripe does, and verifies call-backs."""

import datetime as dt
import json
import threading
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest
from django.test import Client

from invoices.account.transactions import balance_of
from invoices.models import DisputeState, PaymentCallback, PaymentState
from invoices.payments.look_up import GRACE, look_up_silent_payments
from invoices.payments.provider import CallbackRefused, ProviderRefused, ProviderUnavailable
from invoices.payments.review import unreviewed_callbacks
from invoices.payments.stripe_provider import StripeProvider
from tests.invoices.payments.builders import (
    SECRET,
    ordered,
    signature_of,
    stripe_dispute,
    stripe_event,
    stripe_refund,
)

pytestmark = pytest.mark.django_db

URL = "/payments/callbacks/stripe"
SESSION: dict[str, object] = {
    **{"id": "cs_1", "object": "checkout.session", "url": "https://checkout.stripe.com/c/pay/cs_1"},
    "expires_at": 1_796_100_000,
}


END = dt.datetime.fromtimestamp(1_796_100_000, dt.UTC)


class Stub(ThreadingHTTPServer):
    """Answers as Stripe does, and keeps what it was sent."""

    answer: tuple[int, dict[str, object]] = (200, SESSION)

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, dict[str, str], dict[str, list[str]]]] = []


class Handler(BaseHTTPRequestHandler):
    server: Stub

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.requests.append((self.path, dict(self.headers), parse_qs(body)))
        status, told = self.server.answer
        content = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        self.headers["Content-Length"] = "0"
        self.do_POST()

    def log_message(self, *arguments):
        """Say nothing."""


@pytest.fixture
def stub(settings):
    with Stub() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings.PAYMENT_PROVIDER = "stripe"
        settings.STRIPE_SECRET_KEY = "sk_test_1"
        settings.STRIPE_API_URL = f"http://127.0.0.1:{server.server_port}"
        yield server
        server.shutdown()


@pytest.fixture
def payment(acme, settings):
    """An order at Stripe that is not opened."""
    settings.STRIPE_WEBHOOK_SECRET = SECRET
    return ordered(acme, provider=StripeProvider(), opened=False)


def posted(body, signature=None):
    signature = signature_of(body) if signature is None else signature
    return Client().post(URL, body, content_type="application/json", headers={"Stripe-Signature": signature})


def test_an_order_is_a_checkout_session_in_fen_with_an_idempotency_key(stub, acme):
    payment = ordered(acme, "1234.56", provider=StripeProvider())

    ((path, headers, sent),) = stub.requests
    assert path == "/v1/checkout/sessions"
    assert headers["Idempotency-Key"] == sent["client_reference_id"][0] == str(payment.order_id)
    assert "telemetry" not in str(headers).lower()
    assert sent["line_items[0][price_data][unit_amount]"] == ["123456"]
    assert sent["line_items[0][price_data][currency]"] == ["cny"]
    assert sent["payment_intent_data[metadata][order]"] == [str(payment.order_id)]
    assert (payment.provider_id, payment.checkout_url) == ("cs_1", SESSION["url"])


def test_what_stripe_does_not_take_is_refused_in_its_words(stub, acme):
    stub.answer = 400, {"error": {"type": "invalid_request_error", "message": "Amount too small."}}

    with pytest.raises(ProviderRefused, match="Amount too small"):
        ordered(acme, "0.01", provider=StripeProvider())


def test_a_stripe_that_does_not_answer_leaves_an_order_that_can_be_sent_again(stub, acme):
    stub.answer = 500, {"error": {"type": "api_error", "message": "Sorry."}}
    payment = ordered(acme, provider=StripeProvider(), opened=False)

    with pytest.raises(ProviderUnavailable):
        StripeProvider().start(payment, return_url="http://x/")
    keys = {headers["Idempotency-Key"] for _, headers, _ in stub.requests}
    assert keys == {str(payment.order_id)}


PAID = {"status": "complete", "payment_status": "paid", "amount_total": 10000, "currency": "cny"}


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (PAID, PaymentState.PAID),
        (PAID | {"amount_total": 9000}, PaymentState.MISMATCH),
        (PAID | {"status": "expired", "payment_status": "unpaid"}, PaymentState.EXPIRED),
        (PAID | {"payment_status": "unpaid"}, PaymentState.WAITING),
    ],
)
def test_a_payment_without_a_callback_is_looked_up_once_its_page_is_over(stub, acme, answer, state):
    payment = ordered(acme, provider=StripeProvider())
    stub.answer = 200, SESSION | {"payment_intent": "pi_1"} | answer

    look_up_silent_payments(now=END)
    assert len(stub.requests) == 1
    for _ in range(2):
        look_up_silent_payments(now=END + GRACE)
    payment.refresh_from_db()
    assert payment.state == state
    assert stub.requests[1][0] == "/v1/checkout/sessions/cs_1"
    assert balance_of(acme) == (100 if state == PaymentState.PAID else 0)


@pytest.mark.parametrize("status", [404, 500])
def test_a_payment_that_cannot_be_looked_up_goes_on_waiting(stub, acme, status):
    payment = ordered(acme, provider=StripeProvider())
    stub.answer = status, {"error": {"type": "invalid_request_error" if status == 404 else "api_error"}}

    assert look_up_silent_payments(now=END + GRACE) == 0
    payment.refresh_from_db()
    assert payment.state == PaymentState.WAITING


def test_a_signed_callback_books_the_payment_once(payment, acme):
    body = stripe_event("checkout.session.completed", payment)

    assert [posted(body).status_code for _ in range(2)] == [204, 204]
    payment.refresh_from_db()
    assert payment.state == PaymentState.PAID
    assert balance_of(acme) == 100
    assert payment.transaction.reference == "pi_1"


def test_a_payment_by_transfer_is_booked_when_it_has_come(payment, acme):
    posted(stripe_event("checkout.session.completed", payment, payment_status="unpaid"))
    assert balance_of(acme) == 0

    posted(stripe_event("checkout.session.async_payment_succeeded", payment))
    assert balance_of(acme) == 100


def test_a_refund_is_booked_by_its_charge(payment, acme):
    posted(stripe_event("charge.refunded", payment, amount_refunded=2550))
    posted(stripe_event("checkout.session.completed", payment))

    assert balance_of(acme) == Decimal("74.50")


def test_a_refund_that_failed_is_looked_into_once_whichever_events_say_so(payment, acme):
    posted(stripe_event("checkout.session.completed", payment))
    posted(stripe_event("charge.refunded", payment, amount_refunded=2550))
    for kind, status in (
        ("refund.updated", "succeeded"),
        ("refund.updated", "failed"),
        ("refund.failed", "failed"),
    ):
        assert posted(stripe_refund(kind, status)).status_code == 204

    callback = unreviewed_callbacks().get()
    assert (callback.event_id, callback.payment, callback.amount) == (
        "re_1 failed",
        payment,
        Decimal("25.50"),
    )
    assert balance_of(acme) == Decimal("74.50")


def test_a_dispute_books_what_stripe_takes_back_and_returns(payment, acme):
    posted(stripe_event("checkout.session.completed", payment))
    balances = []
    for body in (
        stripe_dispute("created", created=1),
        stripe_dispute("funds_withdrawn", created=1, moved=[-10000]),
        stripe_dispute("updated", created=2, status="under_review", moved=[-10000]),
        stripe_dispute("funds_reinstated", created=3, status="won", moved=[-10000, 9000]),
        stripe_dispute("closed", created=3, status="won", moved=[-10000, 9000]),
    ):
        assert posted(body).status_code == 204
        balances.append(balance_of(acme))

    assert balances == [100, 0, 0, 90, 90]
    dispute = payment.disputes.get()
    assert (dispute.dispute_id, dispute.state, dispute.reason) == ("dp_1", DisputeState.WON, "fraudulent")
    assert dispute.evidence_by == END


def test_what_moves_in_another_currency_is_the_disputed_amount(payment, acme):
    posted(stripe_event("checkout.session.completed", payment))
    moved = [{"object": "balance_transaction", "amount": -10900, "currency": "hkd"}]

    posted(stripe_dispute("funds_withdrawn", 2500, balance_transactions=moved))
    assert balance_of(acme) == 75
    posted(stripe_dispute("funds_reinstated", 2500, created=2, balance_transactions=[]))
    assert balance_of(acme) == 100


def test_the_order_of_a_dispute_that_comes_first_is_looked_up_at_stripe(stub, payment, acme):
    stub.answer = (
        200,
        {"id": "pi_1", "object": "payment_intent", "metadata": {"order": str(payment.order_id)}},
    )

    assert posted(stripe_dispute("funds_withdrawn", 2500)).status_code == 204
    assert stub.requests[0][0] == "/v1/payment_intents/pi_1"
    posted(stripe_event("checkout.session.completed", payment))
    assert balance_of(acme) == 75


@pytest.mark.parametrize(("answer", "status", "recorded"), [(500, 503, False), (404, 204, True)])
def test_a_dispute_of_an_order_that_stripe_does_not_tell_comes_again(stub, payment, answer, status, recorded):
    stub.answer = answer, {"error": {"type": "invalid_request_error" if answer == 404 else "api_error"}}

    assert posted(stripe_dispute("created")).status_code == status
    assert PaymentCallback.objects.filter(payment=None).exists() is recorded


@pytest.mark.parametrize(
    "kind", ["checkout.session.expired", "checkout.session.async_payment_failed", "customer.created"]
)
def test_no_other_callback_books_anything(payment, acme, kind):
    assert posted(stripe_event(kind, payment)).status_code == 204
    assert balance_of(acme) == 0


def test_a_callback_without_an_order_of_ours_is_recorded(payment):
    assert posted(stripe_event("checkout.session.completed", metadata=None)).status_code == 204
    assert PaymentCallback.objects.get().payment is None


# What the library makes of each is beside it; all are refused.
FORGED = {
    "another secret": lambda body: signature_of(body, secret="whsec_other"),
    "too old": lambda body: signature_of(body, age=301),
    "none": lambda body: "",
    "no scheme": lambda body: "t=1",
    "not ASCII": lambda body: "t=1,v1=é",
}


@pytest.mark.parametrize("forged", FORGED)
def test_a_callback_that_stripe_has_not_signed_is_refused(payment, acme, forged):
    body = stripe_event("checkout.session.completed", payment)

    assert posted(body, FORGED[forged](body)).status_code == 400
    assert balance_of(acme) == 0


@pytest.mark.parametrize("body", [b"[]", b"null", b"no JSON", b'{"object": "v2.core.event"}'])
def test_a_signed_body_that_is_no_event_is_refused(payment, body):
    assert posted(body).status_code == 400


def test_a_body_that_is_not_utf_8_is_refused(payment):
    assert posted(b"\xff", "t=1,v1=00").status_code == 400


def test_nothing_is_verified_without_a_secret(payment, settings):
    body = stripe_event("checkout.session.completed", payment)
    settings.STRIPE_WEBHOOK_SECRET = ""

    assert posted(body, signature_of(body, secret="")).status_code == 404
    with pytest.raises(CallbackRefused):
        StripeProvider().read_callback(body=body, headers={"Stripe-Signature": signature_of(body, secret="")})
