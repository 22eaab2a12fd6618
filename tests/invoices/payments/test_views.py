"""Owners and finance pay online, come back and see how it ended; another customer sees nothing."""

import re
from uuid import uuid4

import pytest
from django.urls import reverse

from accounts.models import Member, MemberRole
from invoices.account.transactions import balance_of
from invoices.models import CallbackReview, OnlinePayment, TransactionKind
from tests.builders import close, record, report
from tests.invoices.browsing import staff_client, text
from tests.invoices.payments.builders import called_back, ordered
from tests.invoices.statements.builders import booked, issue_statement

pytestmark = pytest.mark.django_db

PAY = "/customers/acme/pay"


@pytest.fixture(autouse=True)
def fake(settings):
    settings.PAYMENT_PROVIDER = "fake"


def sent(client, amount="50", order_id=None, query=""):
    return client.post(PAY + query, {"amount": amount, "order_id": order_id or uuid4()})


def suggested(page):
    found = re.search(r'name="amount"[^>]*value="([^"]*)"', page.content.decode())
    return found and found[1]


def test_a_top_up_leads_to_the_provider_and_back(alice_client, acme):
    answer = sent(alice_client)
    payment = OnlinePayment.objects.get()
    assert answer.url == reverse("fake_checkout", args=[payment.order_id])
    waiting = alice_client.get(f"/customers/acme/payments/{payment.order_id}")
    assert "not confirmed this payment yet" in text(waiting)
    assert waiting.headers["Refresh"]

    page = alice_client.post(answer.url, {"ends": "paid"}, follow=True)
    assert "The payment is booked on your account." in text(page)
    assert "Refresh" not in page.headers
    assert balance_of(acme) == 50
    assert "Online payments" in text(alice_client.get("/customers/acme/account"))


def test_a_form_that_is_sent_twice_is_one_payment(alice_client, acme):
    order_id = uuid4()

    first, second = sent(alice_client, order_id=order_id), sent(alice_client, order_id=order_id)
    assert first.url == second.url
    other = sent(alice_client, amount="51", order_id=order_id)
    assert "This order is that of another payment." in text(other)
    assert OnlinePayment.objects.count() == 1


def test_a_statement_is_paid_as_far_as_it_is_owed(alice_client, acme):
    record(report())
    close()
    statement = issue_statement(acme)
    booked(acme, amount="0.02")

    page = alice_client.get(f"{PAY}?statement={statement.number}")
    assert (suggested(page), f"Pay statement {statement.number}" in text(page)) == ("0.07", True)
    sent(alice_client, "0.07", query=f"?statement={statement.number}")
    payment = OnlinePayment.objects.get()
    called_back(payment, amount="0.07")
    assert str(payment.transaction) == f"payment {statement.number} pi_1"


def test_what_is_owed_is_suggested_and_nothing_if_nothing_is(alice_client, acme):
    assert suggested(alice_client.get(PAY)) is None

    booked(acme, TransactionKind.CHARGE, "12.30")
    assert suggested(alice_client.get(PAY)) == "12.30"
    assert "Pay online" in text(alice_client.get("/customers/acme/account"))


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "1000000", "x", ""])
def test_an_amount_that_cannot_be_paid_is_refused(alice_client, acme, amount):
    assert sent(alice_client, amount).status_code == 400
    assert not OnlinePayment.objects.exists()


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ("failed", "The payment failed; nothing was paid."),
        ("expired", "The payment was not made in time"),
        ("other", "The provider has received another amount than was ordered."),
    ],
)
def test_the_page_says_how_a_payment_ended(alice_client, acme, ends, words):
    payment = ordered(acme)

    page = alice_client.post(payment.checkout_url, {"ends": ends}, follow=True)
    assert words in text(page)
    assert balance_of(acme) == 0


def test_a_refund_is_on_the_account_in_the_readers_language(alice_client, acme):
    payment = ordered(acme)
    for ends in ("paid", "refunded"):
        alice_client.post(payment.checkout_url, {"ends": ends})

    page = alice_client.get("/customers/acme/account", headers={"Accept-Language": "zh-CN"})
    assert "通过支付机构退款。" in text(page)


def test_viewers_see_payments_and_make_none(alice_client, alice, acme):
    payment = ordered(acme)
    Member.objects.filter(user=alice).update(role=MemberRole.VIEWER)

    assert alice_client.get(f"/customers/acme/payments/{payment.order_id}").status_code == 200
    assert sent(alice_client).status_code == 403
    assert alice_client.post(payment.checkout_url, {"ends": "paid"}).status_code == 403
    assert "Top up" not in text(alice_client.get("/customers/acme/account"))


def test_another_customer_sees_and_does_nothing(bob_client, acme, globex):
    payment = ordered(acme)
    own = f"/customers/globex/payments/{payment.order_id}"

    assert sent(bob_client).status_code == 404
    assert bob_client.get(own).status_code == 404
    assert bob_client.get(f"/customers/acme/payments/{payment.order_id}").status_code == 404
    assert bob_client.post(payment.checkout_url, {"ends": "paid"}).status_code == 404
    assert balance_of(acme) == 0


def test_a_statement_of_another_customer_is_not_paid(bob_client, acme, globex):
    record(report())
    close()
    statement = issue_statement(acme)

    assert bob_client.get(f"/customers/globex/pay?statement={statement.number}").status_code == 404


def test_without_a_provider_there_is_nothing_to_pay_with(alice_client, acme, settings):
    payment = ordered(acme)
    settings.PAYMENT_PROVIDER = ""

    assert alice_client.get(PAY).status_code == 404
    assert alice_client.post(payment.checkout_url, {"ends": "paid"}).status_code == 404
    assert "Top up" not in text(alice_client.get("/customers/acme/account"))


def test_nobody_calls_back_for_the_provider_of_development(client, acme):
    assert client.post("/payments/callbacks/fake", b"x", content_type="text/plain").status_code == 404


def test_only_the_page_that_pays_may_lead_to_stripe(alice_client, acme, settings):
    settings.PAYMENT_PROVIDER = "stripe"

    policies = [
        alice_client.get(path).headers["Content-Security-Policy"] for path in (PAY, "/customers/acme")
    ]
    assert ["https://checkout.stripe.com" in policy for policy in policies] == [True, False]


def test_staff_see_what_differs(operator_client, acme):
    payment = ordered(acme)
    called_back(payment, amount="90")

    page = text(
        operator_client.get(reverse("admin:invoices_onlinepayment_changelist") + "?state__exact=mismatch")
    )
    assert "another amount came 90.00 CNY" in page
    page = text(operator_client.get(reverse("admin:invoices_onlinepayment_change", args=[payment.pk])))
    assert "90.00 CNY, differs from the order" in page


def test_staff_say_what_was_done_about_another_amount_and_the_customer_reads_it(
    operator_client, alice_client, acme
):
    payment = ordered(acme)
    called_back(payment, amount="90")
    called_back(payment, "failed")
    differs, other = payment.callbacks.order_by("pk")
    url = f"/customers/acme/payments/{payment.order_id}"
    assert "SenseNova looks into it." in text(alice_client.get(url))

    index = operator_client.get(reverse("admin:index")).content.decode()
    waiting = reverse("admin:invoices_paymentcallback_changelist") + "?review=waits"
    assert f'href="{waiting}"' in index
    assert differs.event_id in text(operator_client.get(waiting))
    for one in (differs, other):
        operator_client.post(
            reverse("admin:invoices_paymentcallback_review", args=[one.pk]), {"text": "Back."}
        )
    assert [one.callback for one in CallbackReview.objects.all()] == [differs]
    page = text(alice_client.get(url))
    assert ("SenseNova has looked into it." in page, "Back." in page) == (True, True)
    assert "0 payment callbacks" in text(operator_client.get(waiting))


def test_a_review_needs_the_permission_to_book(acme):
    payment = ordered(acme)
    called_back(payment, amount="90")
    url = reverse("admin:invoices_paymentcallback_review", args=[payment.callbacks.get().pk])

    answer = staff_client("view_paymentcallback").post(url, {"text": "Back."})
    assert (answer.status_code, CallbackReview.objects.exists()) == (403, False)
