"""Names in mails are plain text, and in no header."""

import pytest
from django.core import mail
from django.urls import reverse

from accounts.models import CustomerNotice, User
from accounts.notices.mail import mail_customer_notices
from accounts.people.invitations import invite
from accounts.people.mail import mail_invitations
from accounts.sign_in.resets import ask_for_reset, mail_resets
from invoices.models import NoticeKind, OpenHourAlarm, PackageNotice
from invoices.monitoring.open_hours import mail_alarms
from invoices.packages.after_sale.mail import mail_notices
from sensenova_billing.lib import clock
from tests.accounts.notices.builders import notice_of_each
from tests.builders import at
from tests.injection.payloads import FORMULAS, PAYLOADS, REFUSED
from tests.injection.stage import name_customer
from tests.packages import buy, tokens_product

pytestmark = pytest.mark.django_db

HEADERS = {"Content-Type", "MIME-Version", "Content-Transfer-Encoding", "Subject", "From", "To"}
HEADERS |= {"Date", "Message-ID"}
# What an address with a line break would add to a mail.
BROKEN = ("a@acme.example\nBcc: all@acme.example", "a@acme.example\r\n\r\nHello", '"a\nBcc: b"@acme.example')
NOW = at(40)


@pytest.fixture(autouse=True)
def mail_is_set_up(settings):
    settings.PUBLIC_URL = "https://billing.example.com"
    settings.ALARM_MAIL = ["operator@sensenova.example"]


def mails_about(acme, alice, text):
    """Every kind of mail, where customer, person, product and reason are named by this text."""
    name_customer(acme, text)
    User.objects.filter(pk=alice.pk).update(name=text)
    invite(customer=acme, email="dave@acme.example", role="finance", by=text, now=NOW)
    package = buy(acme, tokens_product(text))
    for kind in NoticeKind:
        PackageNotice.objects.create(
            package=package, kind=kind, created_at=NOW, mail_after=NOW, shown_until=package.expires_at
        )
    OpenHourAlarm.objects.create(
        customer=acme, hour=at(0), reason=text, amount=9, raised_at=NOW, mail_after=NOW
    )
    notice_of_each(acme, service=text, at=NOW)
    ask_for_reset(email=alice.email, address=None, now=NOW)
    for send in (mail_invitations, mail_notices, mail_customer_notices, mail_alarms, mail_resets):
        send(now=NOW)
    return mail.outbox


@pytest.mark.parametrize("text", [*PAYLOADS, *FORMULAS])
def test_a_name_stands_in_the_plain_text_of_a_mail_and_in_no_header(text, acme, alice):
    sent = mails_about(acme, alice, text)

    notices = len(NoticeKind) + CustomerNotice.objects.count()
    assert len(sent) == 3 + notices
    assert len([one for one in sent if text in one.body]) == 2 + notices
    for one in sent:
        message = one.message()
        assert (message.get_content_type(), message.is_multipart()) == ("text/plain", False)
        assert set(message) <= HEADERS
        assert [name for name, value in message.items() if text in str(value)] == []


@pytest.mark.parametrize("address", BROKEN)
def test_no_form_takes_an_address_with_a_line_break(address, acme, alice_client, operator_client):
    people = reverse("invite_person", args=["acme"])
    alice_client.post(people, {"email": address, "role": "finance"})
    alice_client.post(reverse("customer_settings", args=["acme"]), {"billing_email": address})
    alice_client.post(reverse("forgot_password"), {"email": address})
    operator_client.post(reverse("admin:accounts_user_add"), {"email": address, "language": "en"})

    for send in (mail_invitations, mail_resets):
        send(now=clock.now())
    acme.refresh_from_db()
    assert (mail.outbox, acme.billing_email, User.objects.filter(email__contains="\n").count()) == ([], "", 0)


@pytest.mark.parametrize("payload", REFUSED)
def test_a_name_with_a_line_break_is_refused_before_a_mail_could_hold_it(payload, acme, alice_client):
    alice_client.post(reverse("account"), {"name": payload, "language": "en"})
    alice_client.post(reverse("customer_settings", args=["acme"]), {"legal_name": payload})

    acme.refresh_from_db()
    kept = acme.legal_name + User.objects.get(email="alice@acme.example").name
    assert set(kept) & set("\t\n\0\u2028") == set()  # forms drop those at the ends
