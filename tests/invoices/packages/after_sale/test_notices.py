"""A customer is told of what becomes of a package: once, on pages and by mail to its owners."""

import datetime as dt

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend

from accounts.models import Member, MemberRole, User, WebhookEvent
from invoices.models import NoticeKind, PackageNotice
from invoices.packages.after_sale.mail import MAILED_WITHIN
from invoices.packages.after_sale.sweep import sweep_packages
from invoices.tasks import close_due_hours
from pricing.models import QuotaPackage
from sensenova_billing.lib.mail import NO_MAIL, PAUSE
from tests.accounts.webhooks.builders import endpoint
from tests.builders import at, record, report
from tests.conftest import PASSWORD
from tests.invoices.browsing import text
from tests.packages import bill, buy, draw, tokens_product
from tests.querying import get_within

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

DAY = dt.timedelta(days=1)
PACKAGES = "/customers/acme/packages"


def kinds():
    """The notices that were written, oldest first."""
    return [NoticeKind(notice.kind) for notice in PackageNotice.objects.order_by("id")]


def before_expiry(customer, **before):
    """The instant so long before the package expires."""
    return customer.quota_packages.get().expires_at - dt.timedelta(**before)


# --- Which are due, and when -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        (799_999, []),
        (800_000, [NoticeKind.USED_80]),
        (999_999, [NoticeKind.USED_80]),
        (1_000_000, [NoticeKind.USED_100]),
    ],
)
def test_a_package_of_which_so_much_is_used_has_a_notice(acme, drawn, expected):
    draw(buy(acme), drawn, of=bill(acme))

    sweep_packages(now=at(70))

    assert kinds() == expected


def test_what_is_left_but_reaches_for_no_token_counts_as_used_up(acme):
    where = {"ran_out_event_id": "last", "ran_out_measure": "input_tokens", "ran_out_quantity": 3}
    draw(buy(acme), 999_999, of=bill(acme), ran_out_at=at(50), **where)

    sweep_packages(now=at(70))

    assert kinds() == [NoticeKind.USED_100]


def test_each_notice_before_the_expiry_comes_in_its_time_and_once(acme):
    buy(acme)
    seen = []

    for days in (8, 7, 6, 3, 2, 1, 0.5):
        for _ in range(2):
            sweep_packages(now=before_expiry(acme, days=days))
        seen.append((days, len(kinds())))

    assert seen == [(8, 0), (7, 1), (6, 1), (3, 2), (2, 2), (1, 3), (0.5, 3)]
    assert kinds() == [NoticeKind.EXPIRES_7, NoticeKind.EXPIRES_3, NoticeKind.EXPIRES_1]


def test_after_an_outage_only_the_notice_of_the_time_that_is_left_is_written(acme):
    buy(acme)

    sweep_packages(now=before_expiry(acme, hours=5))

    assert kinds() == [NoticeKind.EXPIRES_1]


def test_a_package_of_three_days_begins_without_a_notice_that_it_expires(acme):
    buy(acme, tokens_product(validity=3))

    sweep_packages(now=before_expiry(acme, days=3))
    at_first = kinds()
    sweep_packages(now=before_expiry(acme, days=1))

    assert (at_first, kinds()) == ([], [NoticeKind.EXPIRES_1])


def test_of_a_package_that_is_used_up_nothing_expires(acme):
    draw(buy(acme), 1_000_000, of=bill(acme))

    sweep_packages(now=before_expiry(acme, days=1))

    assert kinds() == [NoticeKind.USED_100]


def test_a_package_that_has_expired_or_ended_has_no_new_notice(acme):
    package = buy(acme)
    sweep_packages(now=package.expires_at)
    QuotaPackage.objects.filter(pk=package.pk).update(ended_at=at(60))

    sweep_packages(now=before_expiry(acme, days=1))

    assert kinds() == []


def test_the_closing_that_uses_a_package_up_is_followed_by_the_notice(acme, alice):
    buy(acme, tokens_product(tokens=1_000))
    record(report(occurred_at=at(40)))

    close_due_hours()

    assert kinds() == [NoticeKind.USED_100]
    assert "is used up" in mail.outbox[0].body


# --- By mail ---------------------------------------------------------------------------------------


def test_finance_is_mailed_as_owners_are(acme, alice):
    user = User.objects.create_user("finance@acme.example", PASSWORD)
    Member.objects.create(customer=acme, user=user, role=MemberRole.FINANCE)
    buy(acme)

    sweep_packages(now=before_expiry(acme, days=7))

    assert [sent.to for sent in mail.outbox] == [["alice@acme.example", "finance@acme.example"]]


def test_owners_are_mailed_once_and_viewers_and_others_are_not(acme, alice, bob, settings):
    settings.PUBLIC_URL = "https://billing.example.com/"
    for email, fields in (("view@acme.example", {}), ("gone@acme.example", {"is_active": False})):
        role = MemberRole.VIEWER if not fields else MemberRole.OWNER
        user = User.objects.create_user(email, PASSWORD, **fields)
        Member.objects.create(customer=acme, user=user, role=role)
    package = buy(acme)

    for _ in range(2):
        sweep_packages(now=before_expiry(acme, days=7))

    [sent] = mail.outbox
    assert sent.to == ["alice@acme.example"]
    assert sent.subject == f"Package {package.number}: expires within 7 days"
    expires = package.expires_at.astimezone(dt.timezone(dt.timedelta(hours=8)))
    assert f"expires at {expires:%Y-%m-%d %H:%M}" in sent.body
    assert f"https://billing.example.com/packages/{package.number}" in sent.body


def test_mail_that_could_not_be_sent_is_sent_later(acme, alice, monkeypatch):
    buy(acme)
    due = before_expiry(acme, days=7)
    with monkeypatch.context() as patch:
        patch.setattr(EmailBackend, "send_messages", _refuse)
        swept = sweep_packages(now=due)

    sweep_packages(now=due + PAUSE / 2)
    too_soon = len(mail.outbox)
    again = sweep_packages(now=due + PAUSE)

    assert (swept.notices, swept.mails, too_soon, again.mails) == (1, 0, 0, 1)
    assert PackageNotice.objects.get().mailed_at == due + PAUSE


def _refuse(self, messages):
    raise ConnectionRefusedError


def test_mail_to_one_customer_that_fails_does_not_hold_up_another(acme, alice, globex, bob, monkeypatch):
    terms = tokens_product()
    for customer in (acme, globex):
        buy(customer, terms)
    due = before_expiry(acme, days=7)
    send = EmailBackend.send_messages

    def refuse_acme(self, messages):
        return _refuse(self, messages) if "acme" in messages[0].to[0] else send(self, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", refuse_acme)

    for minutes in (0, 1):
        sweep_packages(now=due + dt.timedelta(minutes=minutes))

    assert [sent.to for sent in mail.outbox] == [["bob@globex.example"]]


def test_without_a_mail_server_notices_are_on_the_pages_only(acme, alice, settings):
    settings.EMAIL_BACKEND = NO_MAIL
    buy(acme)

    swept = sweep_packages(now=before_expiry(acme, days=7))

    assert (swept.notices, swept.mails) == (1, 0)
    assert PackageNotice.objects.get().mailed_at is None


def test_an_old_notice_is_not_mailed_where_a_mail_server_comes_late(acme, alice, settings):
    backend, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, NO_MAIL
    buy(acme)
    due = before_expiry(acme, days=7)
    sweep_packages(now=due)
    settings.EMAIL_BACKEND = backend

    sweep_packages(now=due + MAILED_WITHIN - dt.timedelta(seconds=1))
    PackageNotice.objects.update(mailed_at=None)
    sweep_packages(now=due + MAILED_WITHIN)

    assert len([sent for sent in mail.outbox if "within 7 days" in sent.subject]) == 1


# --- On pages --------------------------------------------------------------------------------------


def told(customer, clock):
    """The customer's package is about to expire, and the clock shows it."""
    package = buy(customer)
    clock(package.expires_at - DAY)
    sweep_packages(now=package.expires_at - DAY)
    return package


def test_a_notice_is_on_the_packages_page_and_on_the_overview(alice_client, acme, clock):
    package = told(acme, clock)

    pages = [text(get_within(alice_client, path, queries=12)) for path in (PACKAGES, "/customers/acme")]

    assert all(f"Package {package.number} (SenseChat-5 1M) expires at" in page for page in pages)


def test_an_owner_dismisses_a_notice(alice_client, acme, clock):
    told(acme, clock)
    notice = PackageNotice.objects.get()

    answer = alice_client.post(f"{PACKAGES}/notices/{notice.pk}/dismiss", follow=True)

    assert answer.status_code == 200
    assert "expires at" not in text(answer) + text(alice_client.get("/customers/acme"))
    notice.refresh_from_db()
    assert notice.dismissed_by == "alice@acme.example"


def test_a_viewer_sees_notices_and_dismisses_none(alice_views, alice_client, acme, clock):
    told(acme, clock)
    notice = PackageNotice.objects.get()

    page = alice_client.get(PACKAGES)
    answer = alice_client.post(f"{PACKAGES}/notices/{notice.pk}/dismiss")

    assert "expires at" in text(page)
    assert "Dismiss" not in text(page)
    assert answer.status_code == 403
    assert PackageNotice.objects.get().dismissed_at is None


def test_another_customer_neither_sees_nor_dismisses_it(bob_client, acme, clock):
    told(acme, clock)
    notice = PackageNotice.objects.get()

    paths = [f"/customers/{code}/packages/notices/{notice.pk}/dismiss" for code in ("acme", "globex")]

    assert [bob_client.post(path).status_code for path in paths] == [404, 404]
    assert "expires at" not in text(bob_client.get("/customers/globex/packages"))
    assert PackageNotice.objects.get().dismissed_at is None


def test_a_notice_is_over_when_the_package_has_expired(alice_client, acme, clock):
    package = told(acme, clock)

    clock(package.expires_at)

    assert "expires at" not in text(alice_client.get(PACKAGES))


# --- Events ----------------------------------------------------------------------------------------


def events():
    """What programs are told, oldest first."""
    return [
        (event.kind, event.payload.get("used_percent"), event.payload.get("days_left"))
        for event in WebhookEvent.objects.order_by("id")
    ]


@pytest.fixture
def acmes_program(acme):
    """Wants events of packages."""
    return endpoint(acme, "http://127.0.0.1/hooks", kinds=["package.low", "package.expiring"])


@pytest.mark.parametrize(("drawn", "percent"), [(800_000, 80), (1_000_000, 100)])
def test_a_program_is_told_once_that_a_package_runs_low(acme, globex, acmes_program, drawn, percent):
    package = buy(acme)
    draw(package, drawn, of=bill(acme))

    for _ in range(2):
        sweep_packages(now=at(70))

    assert events() == [("package.low", percent, None)]
    payload = WebhookEvent.objects.get().payload
    assert (payload["customer"], payload["package"]) == ("acme", package.number)
    assert payload["expires_at"] == f"{package.expires_at:%Y-%m-%dT%H:%M:%SZ}"


def test_a_program_is_told_that_a_package_expires(acme, acmes_program):
    buy(acme)

    for days in (7, 3, 1):
        sweep_packages(now=before_expiry(acme, days=days))

    assert events() == [("package.expiring", None, days) for days in (7, 3, 1)]


def test_a_program_that_does_not_want_it_is_told_nothing(acme, acmes_program):
    acme.webhook_endpoints.update(kinds=["customer.suspended"])
    draw(buy(acme), 1_000_000, of=bill(acme))

    sweep_packages(now=at(70))

    assert (kinds(), events()) == ([NoticeKind.USED_100], [])
