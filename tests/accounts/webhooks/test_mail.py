"""Owners are told by mail, once, that nothing is sent to an endpoint any more."""

import smtplib

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend

from accounts.models import Member, MemberRole, User
from accounts.webhooks.endpoints import disable_endpoint
from accounts.webhooks.mail import mail_disabled_endpoints
from sensenova_billing.lib import clock
from sensenova_billing.lib.mail import PAUSE
from tests.accounts.webhooks.builders import ALICE, endpoint, send_due, suspended

pytestmark = pytest.mark.django_db


@pytest.fixture
def gone(acme, alice, receiver):
    """The endpoint of Acme has answered 410; Acme has a viewer too."""
    viewer = User.objects.create_user("viewer@acme.example")
    Member.objects.create(customer=acme, user=viewer, role=MemberRole.VIEWER)
    made = endpoint(acme, receiver.url)
    receiver.answers = [410]
    suspended(acme)
    send_due()
    return made


def test_owners_read_which_endpoint_and_why(gone, settings):
    settings.PUBLIC_URL = "https://billing.example"

    assert [mail_disabled_endpoints(now=clock.now()) for _ in range(2)] == [1, 0]

    (sent,) = mail.outbox
    assert (sent.to, sent.subject) == ([ALICE], "A webhook endpoint of Acme Ltd was disabled")
    assert gone.url in sent.body
    assert "it answered 410 Gone" in sent.body
    assert f"https://billing.example/customers/acme/webhooks/{gone.pk}" in sent.body
    assert gone.secret not in sent.body


def test_each_owner_reads_it_in_the_language_that_the_person_chose(gone, acme):
    wang = User.objects.create_user("wang@acme.example", language="zh-hans")
    Member.objects.create(customer=acme, user=wang, role=MemberRole.OWNER)

    assert mail_disabled_endpoints(now=clock.now()) == 1

    english, chinese = mail.outbox
    assert (english.to, chinese.to) == ([ALICE], ["wang@acme.example"])
    assert "was disabled" in english.subject
    assert chinese.subject == "Acme Ltd 的一个 Webhook 端点已停用"
    assert gone.url in chinese.body


def test_mail_that_was_not_taken_is_sent_later(gone, monkeypatch):
    def fail(self, messages):
        raise smtplib.SMTPServerDisconnected

    with monkeypatch.context() as broken:
        broken.setattr(EmailBackend, "send_messages", fail)
        assert mail_disabled_endpoints(now=clock.now()) == 0
    assert mail_disabled_endpoints(now=clock.now()) == 0

    assert mail_disabled_endpoints(now=clock.now() + PAUSE) == 1


def test_what_a_person_disabled_is_no_news(acme, alice):
    made = endpoint(acme, "http://127.0.0.1/hooks")
    disable_endpoint(endpoint=made, by=ALICE, now=clock.now())

    assert (mail_disabled_endpoints(now=clock.now()), mail.outbox) == (0, [])
