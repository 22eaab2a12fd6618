"""A mail is in the language that its reader chose; where nobody chose one, in English."""

import datetime as dt
import re
from typing import Any

import pytest
from django.core import mail
from django.urls import reverse

from accounts.models import Customer, Member, MemberRole, PasswordReset, User
from accounts.notices.mail import mail_customer_notices
from accounts.people.invitations import invite
from accounts.people.mail import mail_invitations
from accounts.sign_in.resets import mail_resets
from invoices.models import NoticeKind, OpenHourAlarm, PackageNotice
from invoices.monitoring.open_hours import mail_alarms
from invoices.packages.after_sale.mail import mail_notices
from tests.accounts.notices.builders import notice_of_each
from tests.builders import at
from tests.packages import buy, tokens_product
from tests.translations.pages import english_on

pytestmark = pytest.mark.django_db

NOW = at(40)
ALARM = {"reason": "RMB 400.00 in an hour is more than RMB 100.00.", "amount": 400}


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    """Mail leads to this site, and alarms have a reader."""
    settings.PUBLIC_URL = "https://billing.example"
    settings.ALARM_MAIL = ["oncall@sensenova.example"]


@pytest.fixture
def notices(acme: Customer, alice: User) -> None:
    """A notice of each kind waits for those who look after Acme's packages."""
    package = buy(acme, tokens_product("1M"))
    PackageNotice.objects.bulk_create(
        PackageNotice(
            package=package, kind=kind, created_at=at(33), mail_after=at(33), shown_until=at(0, hour=9)
        )
        for kind in NoticeKind
    )


def reads(email: str, language: str) -> User:
    """The person with this address reads in a language."""
    person, _ = User.objects.get_or_create(email=email)
    person.language = language
    person.save()
    return person


def sent() -> list[tuple[list[str], str, str]]:
    """The readers, subject and body of each mail, links left out."""
    return [(one.to, str(one.subject), re.sub(r"https://\S+", "", str(one.body))) for one in mail.outbox]


def english_in_mails() -> list[str]:
    """What is left of English in the mails."""
    return [text for _, subject, body in sent() for text in english_on(f"{subject}<br>{body}")]


def test_notices_of_a_package_reach_each_reader_in_their_language(acme, alice, notices):
    reads(alice.email, "zh-hans")
    Member.objects.create(customer=acme, user=reads("erin@acme.example", ""), role=MemberRole.FINANCE)

    mail_notices(now=NOW)

    chinese = [one for one in mail.outbox if one.to == [alice.email]]
    english = [one for one in mail.outbox if one.to == ["erin@acme.example"]]
    assert len(chinese) == len(english) == len(NoticeKind)
    assert [str(one.subject).isascii() and str(one.body).isascii() for one in english] == [True] * len(
        english
    )
    mail.outbox[:] = chinese
    assert english_in_mails() == []


def test_notices_of_an_account_are_in_chinese(acme, alice):
    reads(alice.email, "zh-hans")
    number = notice_of_each(acme, service="SenseChat-5", at=NOW)

    assert mail_customer_notices(now=NOW) == number
    assert english_in_mails() == []


def test_readers_of_one_language_get_one_mail(acme, alice, notices):
    Member.objects.create(customer=acme, user=reads("erin@acme.example", "en"), role=MemberRole.FINANCE)

    mail_notices(now=NOW)

    assert [one.to for one in mail.outbox] == [["alice@acme.example", "erin@acme.example"]] * len(NoticeKind)


@pytest.mark.parametrize(
    ("invitee", "inviter", "is_chinese"),
    [("zh-hans", "en", True), ("en", "zh-hans", False), (None, "zh-hans", True), (None, "", False)],
)
def test_an_invitation_is_in_the_language_of_the_invited_or_of_who_invites(
    acme, alice, invitee, inviter, is_chinese
):
    reads(alice.email, inviter)
    if invitee:
        reads("dave@acme.example", invitee)
    invite(customer=acme, email="Dave@acme.example", role=MemberRole.FINANCE, by=alice.email, now=NOW)

    mail_invitations(now=NOW)

    ((_, subject, body),) = sent()
    assert subject == ("SenseNova Billing 邀请" if is_chinese else "Invitation to SenseNova Billing")
    assert english_in_mails() == [] if is_chinese else (subject + body).isascii()


@pytest.mark.parametrize("language", ["", "en", "zh-hans"])
def test_a_new_password_is_offered_in_the_language_of_the_person(alice, client, language):
    reads(alice.email, language)
    client.post(reverse("forgot_password"), {"email": alice.email})

    mail_resets(now=dt.datetime.now(dt.UTC))

    assert not PasswordReset.objects.filter(mail_after__isnull=False).exists()
    ((_, subject, body),) = sent()
    is_chinese = language == "zh-hans"
    assert subject == (
        "重置 SenseNova Billing 密码" if is_chinese else "A new password for SenseNova Billing"
    )
    assert english_in_mails() == [] if is_chinese else (subject + body).isascii()


def test_an_alarm_is_in_chinese_for_a_reader_of_chinese_and_as_ever_for_others(acme, settings):
    settings.ALARM_MAIL = ["oncall@sensenova.example", "Wang@sensenova.example"]
    reads("wang@sensenova.example", "zh-hans")
    OpenHourAlarm.objects.create(customer=acme, hour=at(0), raised_at=NOW, mail_after=NOW, **ALARM)

    mail_alarms(now=NOW)

    english, chinese = sent()
    assert english[1] == "Open hour of acme far beyond the usual"
    assert str(ALARM["reason"]) in english[2]
    assert chinese[0] == ["Wang@sensenova.example"]
    assert (chinese[1], "一小时金额 ¥400.00，超过上限 ¥100.00。" in chinese[2]) == (
        "acme 的未出账小时远超常态",
        True,
    )
    mail.outbox[:] = mail.outbox[1:]
    assert english_in_mails() == []
