"""Every customer's page in Chinese: no English word is left, but names.

A new page needs a line in VISITS, or in NOT_PAGES if it is none; a test finds the one that has neither.
"""

import datetime as dt
import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.core import mail
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from accounts.api_keys.keys import issue_service_key, revoke_service_key
from accounts.models import (
    AttemptError,
    Customer,
    DeliveryState,
    DisabledBecause,
    EventKind,
    Invitation,
    Member,
    MemberRole,
    Scope,
    ServiceKey,
    User,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from accounts.people.invitations import invite, new_link_token
from accounts.sign_in.resets import mail_resets
from accounts.sign_in.second_factor import begin
from invoices.account.transactions import reverse_transaction
from invoices.adjustments.basis import Basis
from invoices.models import (
    Adjustment,
    AdjustmentCause,
    AdjustmentKind,
    ChargeLine,
    DisputeState,
    EInvoiceRequest,
    HourlyBill,
    NoticeKind,
    OnlinePayment,
    PackageNotice,
    PaymentState,
    Statement,
    TransactionKind,
)
from invoices.packages.after_sale.mail import mail_notices
from invoices.packages.after_sale.refund import order_refund
from invoices.packages.after_sale.renewal import switch_renewal
from invoices.packages.after_sale.sweep import sweep_packages
from invoices.payments.review import review_callback
from invoices.statements.issue import correct_statement
from pricing.models import Decision, PackageTerms, QuotaPackage, Service
from tests.builders import THE_HOUR, at, record, report
from tests.invoices.adjustments.builders import proposed
from tests.invoices.books.builders import keep_busy_books
from tests.invoices.budgets.builders import budget
from tests.invoices.einvoices.builders import keep_einvoices
from tests.invoices.payments.builders import called_back, disputed, ordered
from tests.invoices.statements.builders import booked, issue_statement
from tests.packages import buy, cover, draw, tokens_product, tpm_product
from tests.test_tenancy import KEYED, ROUTES, STAFFED
from tests.translations.pages import english_on
from tests.usage.limits.builders import NOBODY_LISTENS, ask, limit
from usage.models import Budget, BudgetPeriod, BudgetUse

pytestmark = pytest.mark.django_db

TURBO = "SenseChat-Turbo"
DAY = dt.timedelta(days=1)
CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}
# What is no page: it leads on, is a file, or is for programs, which read English.
NOT_PAGES = {
    *("home", "set_language", "sign_out", "dismiss_notice", "set_renewal"),
    *("customer_month_csv", "customer_month_xlsx", "customer_month_pdf"),
    *("customer_bills_csv", "customer_lines_csv", "bill_csv", "charge_line_csv", "package_draws_csv"),
    *("resend_invitation", "withdraw_invitation", "remove_from_customer"),
    *("customer_account_csv", "statement_csv", "statement_focus", "statement_xlsx", "statement_pdf"),
    *("payment_callback", "withdraw_einvoice"),
    *("disable_webhook", "enable_webhook", "test_webhook", "resend_webhook"),
    *("customer_usage_csv", "customer_usage_xlsx"),
    *("healthz", "readyz", "metrics", "api_catalog", "api_estimates", "api_schema", "api_docs"),
    "admin_sign_in",
}
# Each page of a customer to whom everything has happened: its arguments, and the queries that change it.
# Capitals stand for what the fixture has made.
VISITS: dict[str, tuple[list[str], list[str]]] = {
    "prices": ([], ["?service=SenseChat-5&input_tokens=7", "?service=SenseChat-5&input_tokens=x"]),
    "customer_prices": (["acme"], ["?service=SenseChat-5&input_tokens=7"]),
    "sign_in": ([], []),
    "overview": ([], []),
    "customer_overview": (["acme"], []),
    "customer_overview_now": (["acme"], []),
    "customer_overview_alerts": (["acme"], []),
    "customer_usage": (
        ["acme"],
        ["?width=hour", "?by=item", "?by=project", "?from=2020-01-01&width=hour", "?a=1"],
    ),
    "customer_bills": (
        ["acme"],
        [
            *("?from=2020-01-01", "?to=2020-01-01", "?from=2020-01-01&to=2090-01-01&service=SenseChat-5"),
            *("?from=x", "?from=2026-02-02&to=2026-01-01", "?service=none", "?older_than=x", "?未知=1"),
            *("?from=2026-02-02&to=2026-02-02", "?older_than=20200101T00Z"),
        ],
    ),
    "customer_month": (["acme", "MONTH"], []),
    "bill_print": (["BILL"], []),
    "bill": (["BILL"], []),
    "charge_line": (
        ["BILL", "LINE"],
        ["?older_than=x", "?oldest=1", "?order=amount", "?order=amount&after=x"],
    ),
    "customer_record": (["acme"], ["?event_id=1", "?event_id=now", "?event_id=none", "?event_id="]),
    "customer_account": (["acme"], ["?older_than=x", "?older_than=1"]),
    "pay_online": (["acme"], ["?statement=S00000001"]),
    "customer_payment": (["acme", "ORDER"], []),
    "fake_checkout": (["ORDER_ID"], []),
    "customer_einvoices": (["acme"], ["?older_than=x", "?older_than=1"]),
    "request_einvoice": (["acme"], []),
    "customer_einvoice": (["acme", "EINVOICE"], []),
    "customer_statements": (["acme"], ["?older_than=x", "?older_than=1"]),
    "statement": (["STATEMENT"], []),
    "customer_limits": (["acme"], []),
    "customer_packages": (["acme"], ["?older_than=x", "?older_than=1"]),
    "choose_product": (["acme"], []),
    "buy_package": (["acme", "TERMS"], ["?units=2&periods=3", "?units=0&periods=x"]),
    "customer_package": (["PACKAGE"], ["?older_than=x", "?older_than=1"]),
    "refund_package": (["PACKAGE"], []),
    "customer_keys": (["acme"], ["?older_than=1", "?older_than=x"]),
    "make_customer_key": (["acme"], []),
    "rotate_customer_key": (["acme", "KEY"], []),
    "revoke_customer_key": (["acme", "KEY"], []),
    "customer_budgets": (["acme"], []),
    "add_budget": (["acme"], []),
    "edit_budget": (["acme", "BUDGET"], []),
    "remove_budget": (["acme", "BUDGET"], []),
    "customer_webhooks": (["acme"], []),
    "add_webhook": (["acme"], []),
    "customer_webhook": (["acme", "HOOK"], ["?older_than=1", "?older_than=x"]),
    "choose_webhook_events": (["acme", "HOOK"], []),
    "rotate_webhook_secret": (["acme", "HOOK"], []),
    "remove_webhook": (["acme", "HOOK"], []),
    "webhook_delivery": (["acme", "HOOK", "DELIVERY"], []),
    "customer_people": (["acme"], []),
    "invite_person": (["acme"], []),
    "change_member": (["acme", "MEMBER"], []),
    "customer_settings": (["acme"], []),
    "account": ([], []),
    "change_password": ([], []),
    "second_factor_settings": ([], []),
    "confirm_second_factor": ([], []),
    "sessions": ([], []),
    "second_factor": ([], []),
    "forgot_password": ([], []),
    "accept_invitation": (["INVITATION"], []),
    "reset_password": (["Mg", "no-token"], []),
}


# A page that leads on to another where nothing waits for it.
LEAD_ON = {"second_factor"}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[dt.datetime], None]:
    """Put the clock to an instant."""
    return lambda instant: monkeypatch.setattr("sensenova_billing.lib.clock.now", lambda: instant)


@pytest.fixture
def chinese(alice: User) -> Client:
    """Alice's browser, which asks for Chinese."""
    client = Client(headers=CHINESE)
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def everything(acme: Customer, globex: Customer, alice: User, clock, settings) -> None:
    """Everything has happened to Acme."""
    clock(keep_everything(acme=acme, globex=globex, alice=alice, settings=settings))


def keep_everything(*, acme: Customer, globex: Customer, alice: User, settings: Any) -> dt.datetime:
    """Fill Acme's hours, bills, corrections, limits and packages of each kind; return the instant of it."""
    settings.PARK_ABOVE_AMOUNT = 10
    settings.PACKAGE_REFUNDS = "unused"
    _keep_packages(acme)
    keep_busy_books(acme=acme, globex=globex)
    _cover_lines(acme)
    _keep_account(acme)
    record(report("now", occurred_at=at(5, hour=4)), now=at(6, hour=4))
    limit(acme, 60, 100_000, excludes_cached_input=True)
    ask(acme, 9, 1, 1, 11)
    _have_keys_and_people(acme, alice)
    _have_webhooks(acme)
    _have_budgets(acme)
    Member.objects.create(customer=globex, user=alice, role=MemberRole.VIEWER)
    return at(40, hour=4)


def _keep_packages(acme: Customer) -> None:
    tpm = tpm_product(service="nova-embedding-stable", offer_price=90, ends_at=at(0) + 30 * DAY)
    monthly = tokens_product(
        "1M", services=[TURBO], weights=[(TURBO, "output_tokens", "2")], rpm=100, tpm=9000
    )
    for units in (1, 2):
        buy(acme, tpm, units=units, periods=3)
    buy(acme, monthly)
    first, second, third = QuotaPackage.objects.order_by("pk")
    switch_renewal(package=first, is_on=True, by="alice@acme.example", now=at(31))
    order_refund(package=second, by="alice@acme.example", now=at(32))
    for kind in NoticeKind:
        PackageNotice.objects.create(
            package=third, kind=kind, created_at=at(33), mail_after=at(33), shown_until=at(0) + 90 * DAY
        )


def _keep_account(acme: Customer) -> None:
    statement = issue_statement(acme)
    keep_einvoices(acme, statement)
    Customer.objects.filter(pk=acme.pk).update(legal_name="顶点有限公司")
    correct_statement(statement=statement, reason="名称有误", by="staff@sensenova.example", now=at(38))
    for cause in AdjustmentCause:
        for decision in Decision:
            _adjust(acme, cause, decision)
    Customer.objects.filter(pk=acme.pk).update(credit_limit=10**9)
    amounts = {"payment": "100000", "refund": "5", "credit": "5", "charge": "200000", "write_off": "5"}
    for kind, amount in amounts.items():
        one = booked(acme, TransactionKind(kind), amount)
    reverse_transaction(booked=one, reason="记错", by="staff@sensenova.example", now=at(39))
    ordered(acme)
    for kind, paid in (("paid", "100"), ("failed", "100"), ("expired", "100"), ("paid", "90")):
        called_back(ordered(acme), kind, paid)
    payment = acme.online_payments.get(state=PaymentState.PAID)
    called_back(payment, "refunded", "1")
    for number, state in enumerate(DisputeState):
        disputed(payment, state, withdrawn="2", reinstated="1", dispute_id=f"dp_{number}")
    differs = ordered(acme)
    called_back(differs, "paid", "80")
    review_callback(callback=differs.callbacks.get(), text="已退款", by="staff@sensenova.example", now=at(39))


def _adjust(acme: Customer, cause: AdjustmentCause, decision: Decision) -> None:
    made = proposed(
        Basis(acme), "0.01", key=f"{cause} {decision}", kind=AdjustmentKind.CHARGE, cause=cause, reason="补收"
    )
    if decision != Decision.APPROVED:
        # As they are where a second person has to approve.
        values = {name: getattr(made, name) for name in ("customer", "kind", "cause", "amount", "charged")}
        values |= {"creditable": 0, "reason": "减免", "proposed_by": "a@b.example", "proposed_at": at(37)}
        if decision:
            values |= {"decision": decision, "decided_by": "c@b.example", "decided_at": at(38)}
        Adjustment.objects.create(**values, key=f"{made.key} 2")


def _have_keys_and_people(acme: Customer, alice: User) -> None:
    key, _ = issue_service_key(name="网关", scopes=Scope.values, owner=acme)
    issue_service_key(name="网关", owner=acme, expires_at=at(0) + 9 * DAY)
    revoke_service_key(key=key, now=at(34))
    for email in ("dave@acme.example", alice.email.replace("alice", "erin")):
        invite(customer=acme, email=email, role="finance", by=alice.email, now=at(35))
    begin(alice)


def _have_budgets(acme: Customer) -> None:
    """A budget of each period, of which one stops calls, one of a service, and one of each metadata name."""
    for period in BudgetPeriod.values:
        budget(acme, period=period, now=at(30))
    budget(acme, service=Service.objects.get(name="SenseChat-5"), is_cap=False, alerts_at=[], now=at(30))
    for name in settings.USAGE_METADATA_KEYS:
        budget(acme, metadata_name=name, metadata_value="M-1", now=at(30))
    BudgetUse.objects.filter(budget__period=BudgetPeriod.HOUR).update(stopped_at=at(31))


def _have_webhooks(acme: Customer) -> None:
    """An endpoint in each state, and deliveries in each with an attempt for each error."""
    for because in ("", *DisabledBecause.values):
        endpoint = WebhookEndpoint.objects.create(
            customer=acme,
            url=f"https://hooks.example/{because}",
            kinds=EventKind.values,
            secret="whsec_c2VjcmV0",
            created_at=at(30),
            disabled_because=because,
            disabled_at=at(35) if because else None,
            failing_since=at(33) if because == DisabledBecause.FAILING else None,
        )
        for failures, state in enumerate((*DeliveryState.values, DeliveryState.WAITING)):
            deliver(endpoint, f"{because} {failures}", state=state, failures=failures)
    WebhookEndpoint.objects.filter(disabled_at=None).update(
        previous_secret="whsec_b2xk", previous_secret_until=at(0) + 30 * DAY, failing_since=at(34)
    )


def deliver(
    endpoint: WebhookEndpoint, key: str, *, state: str, failures: int = 0, answer: str = ""
) -> WebhookDelivery:
    """Write a delivery in this state, with an attempt for each error."""
    event = WebhookEvent.objects.create(
        customer=endpoint.customer, kind=EventKind.BILL_CLOSED, key=key, payload={}, at=at(31)
    )
    made = WebhookDelivery.objects.create(
        event=event,
        endpoint=endpoint,
        state=state,
        failures=failures,
        next_attempt_at=at(40) if state == DeliveryState.WAITING else None,
        delivered_at=at(32) if state == DeliveryState.DELIVERED else None,
    )
    for error in ("", *AttemptError.values):
        WebhookAttempt.objects.create(
            delivery=made,
            at=at(32),
            milliseconds=20,
            status=None if error else 204,
            error=error,
            answer=answer,
        )
    return made


def new_link_token_of(invitation: Invitation) -> str:
    """Give an invitation a link that works."""
    token = new_link_token(invitation)
    invitation.save()
    return token


def _cover_lines(acme: Customer) -> None:
    package = QuotaPackage.objects.latest("pk")
    bill = HourlyBill.objects.filter(customer=acme).earliest("hour_id")
    draw(package, 300, of=bill)
    draw(package, -100, of=bill)
    cover(bill.lines.earliest("pk"), package)


def addresses(name: str, *, most: int | None = None) -> list[str]:
    """Return the addresses of a page, for each (or at most so many) of what the fixture has made."""
    arguments, queries = VISITS[name]
    lines = ChargeLine.objects.filter(bill__customer__code="acme").order_by("pk")
    of_each: dict[str, list[tuple[Any, ...]]] = {
        "MONTH": [("acme", f"{THE_HOUR.astimezone(ZoneInfo('Asia/Shanghai')):%Y-%m}")],
        "BILL": list(lines.values_list("bill__number", "pk")),
        "STATEMENT": [(one.number,) for one in Statement.objects.filter(customer__code="acme")],
        "ORDER": [("acme", one) for one in OnlinePayment.objects.values_list("order_id", flat=True)],
        "ORDER_ID": [(one,) for one in OnlinePayment.objects.values_list("order_id", flat=True)],
        "EINVOICE": [("acme", pk) for pk in EInvoiceRequest.objects.values_list("pk", flat=True)],
        "PACKAGE": [(number,) for number in QuotaPackage.objects.values_list("number", flat=True)],
        "KEY": [("acme", key) for key in ServiceKey.objects.values_list("public_id", flat=True)],
        "MEMBER": [
            ("acme", pk) for pk in Member.objects.filter(customer__code="acme").values_list("pk", flat=True)
        ],
        "BUDGET": [("acme", pk) for pk in Budget.objects.values_list("pk", flat=True)],
        "HOOK": _hooks(arguments),
        "INVITATION": [("void",), *_new_links(arguments)],
        "TERMS": [("acme", pk) for pk in PackageTerms.objects.values_list("pk", flat=True)],
    }
    made = next((of_each[one] for one in arguments if one in of_each), [tuple(arguments)])
    paths = dict.fromkeys(reverse(name, args=one[: len(arguments)]) for one in made)
    return [*[*paths][:most], *(path + query for path in [*paths][:1] for query in queries)]


def _hooks(arguments: list[str]) -> list[tuple[Any, ...]]:
    """Return each endpoint of Acme, or each delivery to one, where a page needs them."""
    if "DELIVERY" in arguments:
        found = WebhookDelivery.objects.filter(endpoint__customer__code="acme").order_by("pk")
        return [("acme", one.endpoint_id, one.pk) for one in found]
    hooks = WebhookEndpoint.objects.filter(customer__code="acme").order_by("pk")
    return [("acme", pk) for pk in hooks.values_list("pk", flat=True)]


def _new_links(arguments: list[str]) -> list[tuple[str]]:
    """Return the tokens of new links, which are written down, where a page needs them."""
    invitations = Invitation.objects.all() if "INVITATION" in arguments else ()
    return [(new_link_token_of(one),) for one in invitations]


def left_over(answer):
    """The English on a page or a part of one; it is in Chinese at all."""
    page = answer.content.decode()
    assert answer.headers["Content-Language"] == "zh-hans"
    return english_on(page)


def test_every_page_is_visited_here():
    assert sorted(set(ROUTES) - {*STAFFED} - {*VISITS} - KEYED - NOT_PAGES) == []


def test_no_english_is_left_on_a_page_of_a_customer_to_whom_everything_has_happened(everything, chinese):
    visitor = Client(headers=CHINESE)
    english = {}
    for name in VISITS:
        client = visitor if name == "sign_in" else chinese
        for address in addresses(name):
            answer = client.get(address, follow=name in LEAD_ON)
            assert answer.status_code in {200, 400, 404}, address
            if left := left_over(answer):
                english[address] = left

    assert english == {}


def test_no_english_is_left_where_nothing_has_happened(acme, alice, chinese):
    tokens_product()
    english = {
        address: left
        for name in VISITS
        for address in addresses(name)
        if (left := left_over(chinese.get(address, follow=True)))
    }

    assert english == {}


def test_nor_where_nothing_is_on_sale_yet_and_for_a_person_without_a_customer(chinese, alice, clock):
    Member.objects.all().delete()
    clock(dt.datetime(2001, 1, 1, tzinfo=dt.UTC))

    pages = [chinese.get(reverse(name)) for name in ("prices", "overview")]

    assert [left_over(page) for page in pages] == [[], []]


def test_nor_of_limits_while_nobody_counts_calls_and_the_customer_is_suspended(acme, chinese, settings):
    Customer.objects.update(is_suspended=True)
    settings.REDIS_URL = NOBODY_LISTENS

    assert left_over(chinese.get(reverse("customer_limits", args=["acme"]))) == []


def test_nor_of_purchases_and_refunds_that_are_refused(acme, chinese, clock):
    clock(at(40))
    tpm, tokens = tpm_product(), tokens_product()
    other = buy(acme, tokens)
    shown = {"order_id": str(uuid4()), "begins_at": at(0, hour=9).isoformat()}
    pages = [
        chinese.post(reverse("buy_package", args=["acme", tpm.pk]), shown | {"units": 1, "periods": 1}),
        chinese.post(reverse("buy_package", args=["acme", tpm.pk]), shown | {"units": "x", "periods": 0}),
        chinese.post(reverse("buy_package", args=["acme", tokens.pk]), {}),
        chinese.post(reverse("refund_package", args=[other.number]), {}),
        chinese.post(reverse("refund_package", args=[other.number]), {"ends_at": at(0).isoformat()}),
        chinese.post(reverse("set_renewal", args=[other.number]), {"renewal": "on"}, follow=True),
        chinese.post(reverse("set_renewal", args=[other.number]), {"renewal": "off"}, follow=True),
    ]

    assert [left_over(page) for page in pages] == [[]] * len(pages)


def test_a_package_that_is_bought_and_refunded_says_so_in_chinese(acme, chinese, clock, settings):
    settings.PACKAGE_REFUNDS = "unused"
    clock(at(40))
    terms = tokens_product()
    order = {"order_id": str(uuid4()), "begins_at": at(0).isoformat()}
    bought = chinese.post(reverse("buy_package", args=["acme", terms.pk]), order, follow=True)
    number = QuotaPackage.objects.get().number
    refunded = chinese.post(
        reverse("refund_package", args=[number]), {"ends_at": at(60).isoformat()}, follow=True
    )

    assert [left_over(bought), left_over(refunded)] == [[], []]
    assert "已购买：SenseChat-5 1M" in bought.content.decode()
    assert f"资源包 {number} 已退款。" in refunded.content.decode()


def test_why_a_package_was_not_renewed_is_said_in_chinese(acme, alice, chinese, clock):
    package = buy(acme)
    switch_renewal(package=package, is_on=True, by=alice.email, now=at(40))
    PackageTerms.objects.update(ends_at=at(0) + DAY)
    clock(package.expires_at - dt.timedelta(minutes=30))
    sweep_packages(now=package.expires_at - dt.timedelta(minutes=30))

    page = chinese.get(reverse("customer_package", args=[package.number]))

    assert left_over(page) == []
    assert "SenseChat-5 1M 已停止销售。" in page.content.decode()


def test_wrong_passwords_and_a_lock_are_said_in_chinese(alice, settings):
    settings.AXES_ENABLED = True
    settings.AXES_FAILURE_LIMIT = 2
    visitor = Client(headers=CHINESE)
    wrong = {"username": alice.email, "password": "x"}
    pages = [visitor.post(reverse("sign_in"), sent) for sent in ({}, {"username": "x"}, wrong, wrong)]

    assert [page.status_code for page in pages] == [200, 200, 200, 429]
    assert [left_over(page) for page in pages] == [[]] * 4


@pytest.mark.parametrize("status", [400, 403, 404, 500, 503])
def test_an_error_is_said_in_chinese(status, acme, alice, chinese, monkeypatch, clock):
    chinese.raise_request_exception = False
    Member.objects.update(role=MemberRole.VIEWER)
    faults = {500: RuntimeError, 503: OperationalError}
    if status in faults:
        monkeypatch.setattr("pricing.catalogue.views.catalog_at", _raise(faults[status]))
    path = {400: "/prices\x00", 403: "/customers/acme/packages/buy", 404: "/nothing"}.get(status, "/prices")
    page = chinese.get(path, headers={"Host": "elsewhere.example"} if status == 400 else {})

    assert page.status_code == status
    assert left_over(page) == []


def _raise(fault):
    def raising(**named):
        raise fault

    return raising


def test_a_mail_about_a_package_without_a_link_is_in_chinese(acme, alice, settings):
    settings.PUBLIC_URL = ""
    User.objects.update(language="zh-hans")
    third = buy(acme, tokens_product("1M"))
    for kind in NoticeKind:
        PackageNotice.objects.create(
            package=third, kind=kind, created_at=at(33), mail_after=at(33), shown_until=at(0) + DAY
        )

    mail_notices(now=at(40))

    assert len(mail.outbox) == len(NoticeKind)
    assert [text for sent in mail.outbox for text in english_on(f"{sent.subject}<br>{sent.body}")] == []


def test_the_code_of_an_authenticator_app_is_not_called_that_of_a_customer(everything, chinese):
    page = chinese.get(reverse("confirm_second_factor")).content.decode()

    assert "验证码" in page
    assert "客户代码" not in page


def test_nor_after_keys_people_and_settings_are_changed_or_refused(acme, alice, chinese):
    address = "%s@acme.example".__mod__
    sent: dict[str, list[dict[str, Any]]] = {
        "make_customer_key": [{}, {"name": " x\t"}, {"name": "网关", "scopes": Scope.values, "new_id": "x"}],
        "invite_person": [{}, {"email": "x"}, {"email": alice.email, "role": "owner"}]
        + [{"email": address("dave"), "role": "finance"}] * 2,
        "customer_settings": [{"time_zone": "x", "address": "\0", "billing_email": "x"}],
        "account": [{"name": "x" * 999, "language": "x"}],
        "change_password": [{}, {"old_password": "x", "new_password1": "1", "new_password2": "2"}],
        "second_factor_settings": [{}, {"password": "x", "action": "begin"}],
        "forgot_password": [{}, {"email": "x"}, {"email": alice.email}],
    }
    pages = [
        (name, one, chinese.post(reverse(name, args=VISITS[name][0]), one, follow=True))
        for name, bodies in sent.items()
        for one in bodies
    ]

    assert {(name, str(one)): left for name, one, page in pages if (left := left_over(page))} == {}
    assert {page.status_code for _, _, page in pages} == {200, 400}


def test_a_mailed_link_to_a_new_password_is_in_the_language_of_its_reader(alice, chinese, settings):
    settings.PUBLIC_URL = "https://billing.example"
    User.objects.update(language="zh-hans")

    chinese.post(reverse("forgot_password"), {"email": alice.email})
    mail_resets(now=dt.datetime.now(dt.UTC))

    (sent,) = mail.outbox
    words = re.sub(r"https://\S+", "", f"{sent.subject} {sent.body}")
    assert english_on(words) == []
    assert "请在一小时内通过以下链接设置新密码" in words
