"""No URL shows another customer's data: every route has an entry here, or a test fails.

Alice acts for Acme, Bob for Globex. Each route is requested without a sign-in, by Alice for what is Globex's,
and by Bob for the same, which shows that there was something to see.
"""

import re
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts.api_keys.keys import issue_service_key
from accounts.models import Customer, Member, Scope, User, WebhookEndpoint
from invoices.models import ChargeLine, EInvoiceRequest, OnlinePayment, Statement
from pricing.models import PackageTerms
from tests.accounts.webhooks.builders import endpoint, suspended
from tests.builders import THE_HOUR, at, close, customer, record, report
from tests.conftest import make_acme, make_globex
from tests.invoices.budgets.builders import budget
from tests.invoices.einvoices.builders import requested, with_tax_data
from tests.invoices.payments.builders import ordered
from tests.invoices.statements.builders import issue_statement
from tests.packages import UNCOVERED, buy, draw, tokens_product
from usage.models import Budget

pytestmark = pytest.mark.django_db

GLOBEX = b"lobex"  # in its name, its code and the numbers of its bills
BILL = f"{THE_HOUR:%Y%m%dT%HZ}-globex"
MONTH = "the month of globex"
STATEMENT = "the statement of globex"
FIRST = "the first line of this bill"
PACKAGE = f"P{THE_HOUR:%Y%m%d}-globex-1"
KEY = "keyofglobex"  # the public id of its own key
MEMBER = "colleague@globex.example"
HOOK = "http://127.0.0.1/globex"
BUDGET = "the budget of globex"
ORDER = "the online payment of globex"
NO_ORDER = UUID(int=0)
EINVOICE = "the e-invoice of globex"
TERMS = "the terms of the product on sale"

# Public, and so shows nothing of any customer.
PUBLIC = {
    "home",
    "sign_in",
    "admin_sign_in",
    "prices",
    "healthz",
    "readyz",
    "metrics",
    "api_schema",
    "api_docs",
}
PUBLIC |= {"api_catalog", "forgot_password", "second_factor"}
# Shows people what is theirs; takes no argument.
PERSONAL = {"overview", "account", "change_password", "second_factor_settings", "confirm_second_factor"}
PERSONAL |= {"sessions"}
# Shows one customer's; the arguments name what is Globex's, the others what does not exist.
OWNED = {
    "customer_overview": ({"code": "globex"}, {"code": "nobody"}),
    "customer_usage": ({"code": "globex"}, {"code": "nobody"}),
    "customer_bills": ({"code": "globex"}, {"code": "nobody"}),
    "customer_bills_csv": ({"code": "globex"}, {"code": "nobody"}),
    "customer_lines_csv": ({"code": "globex"}, {"code": "nobody"}),
    "customer_month": ({"code": "globex", "month": MONTH}, {"code": "nobody", "month": MONTH}),
    "customer_month_csv": ({"code": "globex", "month": MONTH}, {"code": "nobody", "month": MONTH}),
    "customer_month_xlsx": ({"code": "globex", "month": MONTH}, {"code": "nobody", "month": MONTH}),
    "customer_month_pdf": ({"code": "globex", "month": MONTH}, {"code": "nobody", "month": MONTH}),
    "bill_print": ({"number": BILL}, {"number": "20200101T00Z-nobody"}),
    "bill": ({"number": BILL}, {"number": "20200101T00Z-nobody"}),
    "bill_csv": ({"number": BILL}, {"number": "20200101T00Z-nobody"}),
    "charge_line": ({"number": BILL, "pk": FIRST}, {"number": BILL, "pk": "0"}),
    "charge_line_csv": ({"number": BILL, "pk": FIRST}, {"number": BILL, "pk": "0"}),
    "customer_record": ({"code": "globex"}, {"code": "nobody"}),
    "customer_account": ({"code": "globex"}, {"code": "nobody"}),
    "pay_online": ({"code": "globex"}, {"code": "nobody"}),
    "customer_payment": ({"code": "globex", "order_id": ORDER}, {"code": "nobody", "order_id": NO_ORDER}),
    "fake_checkout": ({"order_id": ORDER}, {"order_id": NO_ORDER}),
    "customer_einvoices": ({"code": "globex"}, {"code": "nobody"}),
    "request_einvoice": ({"code": "globex"}, {"code": "nobody"}),
    "customer_einvoice": ({"code": "globex", "pk": EINVOICE}, {"code": "nobody", "pk": EINVOICE}),
    "customer_statements": ({"code": "globex"}, {"code": "nobody"}),
    "customer_account_csv": ({"code": "globex"}, {"code": "nobody"}),
    "statement": ({"number": STATEMENT}, {"number": "S99999999"}),
    "statement_csv": ({"number": STATEMENT}, {"number": "S99999999"}),
    "statement_focus": ({"number": STATEMENT}, {"number": "S99999999"}),
    "statement_xlsx": ({"number": STATEMENT}, {"number": "S99999999"}),
    "statement_pdf": ({"number": STATEMENT}, {"number": "S99999999"}),
    "customer_limits": ({"code": "globex"}, {"code": "nobody"}),
    "customer_prices": ({"code": "globex"}, {"code": "nobody"}),
    "customer_packages": ({"code": "globex"}, {"code": "nobody"}),
    "choose_product": ({"code": "globex"}, {"code": "nobody"}),
    "buy_package": ({"code": "globex", "pk": TERMS}, {"code": "nobody", "pk": TERMS}),
    "customer_package": ({"number": PACKAGE}, {"number": "P20200101-nobody-1"}),
    "refund_package": ({"number": PACKAGE}, {"number": "P20200101-nobody-1"}),
    "package_draws_csv": ({"number": PACKAGE}, {"number": "P20200101-nobody-1"}),
    "customer_people": ({"code": "globex"}, {"code": "nobody"}),
    "customer_settings": ({"code": "globex"}, {"code": "nobody"}),
    "customer_budgets": ({"code": "globex"}, {"code": "nobody"}),
    "add_budget": ({"code": "globex"}, {"code": "nobody"}),
    "edit_budget": ({"code": "globex", "pk": BUDGET}, {"code": "nobody", "pk": BUDGET}),
    "remove_budget": ({"code": "globex", "pk": BUDGET}, {"code": "nobody", "pk": BUDGET}),
    "customer_webhooks": ({"code": "globex"}, {"code": "nobody"}),
    "add_webhook": ({"code": "globex"}, {"code": "nobody"}),
    "customer_webhook": ({"code": "globex", "pk": HOOK}, {"code": "nobody", "pk": HOOK}),
    "choose_webhook_events": ({"code": "globex", "pk": HOOK}, {"code": "nobody", "pk": HOOK}),
    "rotate_webhook_secret": ({"code": "globex", "pk": HOOK}, {"code": "nobody", "pk": HOOK}),
    "remove_webhook": ({"code": "globex", "pk": HOOK}, {"code": "nobody", "pk": HOOK}),
    "webhook_delivery": (
        {"code": "globex", "pk": HOOK, "delivery": "its only one"},
        {"code": "nobody", "pk": HOOK, "delivery": "its only one"},
    ),
    "invite_person": ({"code": "globex"}, {"code": "nobody"}),
    "change_member": ({"code": "globex", "pk": MEMBER}, {"code": "nobody", "pk": MEMBER}),
    "customer_keys": ({"code": "globex"}, {"code": "nobody"}),
    "make_customer_key": ({"code": "globex"}, {"code": "nobody"}),
    "rotate_customer_key": ({"code": "globex", "public_id": KEY}, {"code": "nobody", "public_id": KEY}),
    "revoke_customer_key": ({"code": "globex", "public_id": KEY}, {"code": "nobody", "public_id": KEY}),
}
# Their text is packed; their own tests unpack it.
PACKED = {"customer_month_xlsx", "customer_month_pdf", "statement_xlsx", "statement_pdf"}
# Names no customer, but its transactions; tests/invoices/account.
PACKED |= {"customer_account_csv"}
# Takes a service key, never a session.
KEYED = {
    "api_calls",
    "api_call",
    "api_usage",
    "api_reversals",
    "api_events",
    "api_litellm",
    "lago_event",
    "lago_batch",
    "otlp_traces",
}
KEYED |= {"api_limits", "api_record", "api_line_records", "api_line_records_csv"}
KEYED |= {"api_packages", "api_package_draws"}
KEYED |= {"api_bills", "api_bill", "api_charge_lines", "api_usage_summary", "api_seals", "api_budgets"}
# Does something and shows nothing of any customer; its own tests are elsewhere.
DEEDS = {"resend_invitation", "withdraw_invitation", "remove_from_customer", "accept_invitation"}
DEEDS |= {"reset_password"}
DEEDS |= {"disable_webhook", "enable_webhook", "test_webhook", "resend_webhook"}
DEEDS |= {"sign_out", "set_language", "api_estimates", "dismiss_notice", "set_renewal"}
# Parts of the overview, which do not name the customer; portal/test_overview.py asks for another's.
DEEDS |= {"customer_overview_now", "customer_overview_alerts"}
# Files of the usage page, which do not name it either; usage_report/test_views.py.
DEEDS |= {"customer_usage_csv", "customer_usage_xlsx"}
# Withdraws a request; invoices/einvoices.
DEEDS |= {"withdraw_einvoice"}
# Signed by a payment provider; invoices/payments.
DEEDS |= {"payment_callback"}
# For staff; what the admin itself shows to all is its sign-in page, and signing out is an action.
STAFF = "admin:"
STAFF_PAGES = {
    "usage_record",
    "refused_calls",
    "own_password",
    "catalogue_csv",
    "catalogue_xlsx",
    "catalogue_import",
    "reconciliation",
    "bank_import",
}
STAFF_PAGES |= {"change_price", "announce_offer", "start_trial", "end_price", "copy_prices", "put_on_sale"}
STAFF_PAGES |= {"sell_package", "end_terms", "cancel_terms", "end_customer_view", "admin_search"}
STAFF_PAGES |= {"take_back_announcement"}
STAFF_PAGES |= {"onboard_customer"}
STAFF_OPEN = {"admin:login", "admin:logout"}


def routes(resolver=None, prefix="", namespace=""):
    """Every route of the site with its name, or its path where it has none, and its path."""
    for entry in (resolver or get_resolver()).url_patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
            yield from routes(entry, path, inner)
        elif isinstance(entry, URLPattern):
            yield namespace + (entry.name or path), path


ROUTES = dict(routes())
STAFFED = {name: path for name, path in ROUTES.items() if name.startswith(STAFF) or name in STAFF_PAGES}


def sample(path):
    """A path that matches a route: 1 or a UUID between angle brackets, the first of alternatives."""
    path = re.sub(r"\(\?P<\w+>(\w+|\.\*)[^)]*\)", lambda found: found[1].replace(".*", "any"), path)
    path = re.sub(r"<uuid:[^>]*>", str(UUID(int=1)), path)
    return "/" + re.sub(r"<[^>]*>", "1", path).replace("^", "").replace("$", "")


def address(name, arguments):
    """Where a route shows what the arguments name."""
    if arguments.get("pk") == FIRST:
        line = ChargeLine.objects.filter(bill__number=arguments["number"]).earliest("pk")
        arguments = arguments | {"pk": line.pk}
    if arguments.get("number", "").startswith("the statement of"):
        code = arguments["number"].split()[-1]
        arguments = arguments | {"number": Statement.objects.get(customer__code=code).number}
    if arguments.get("month", "").startswith("the month of"):
        zone = ZoneInfo(Customer.objects.get(code=arguments["month"].split()[-1]).time_zone)
        arguments = arguments | {"month": f"{THE_HOUR.astimezone(zone):%Y-%m}"}
    if "@" in str(arguments.get("pk")):
        arguments = arguments | {"pk": Member.objects.get(user__email=arguments["pk"]).pk}
    if str(arguments.get("pk")).startswith("http"):
        hook = WebhookEndpoint.objects.get(url=arguments["pk"])
        only = {"delivery": hook.deliveries.earliest("pk").pk} if "delivery" in arguments else {}
        arguments = arguments | {"pk": hook.pk} | only
    if str(arguments.get("pk")).startswith("the budget of"):
        code = arguments["pk"].split()[-1]
        arguments = arguments | {"pk": Budget.objects.get(customer__code=code).pk}
    if str(arguments.get("pk")).startswith("the e-invoice of"):
        code = arguments["pk"].split()[-1]
        arguments = arguments | {"pk": EInvoiceRequest.objects.get(customer__code=code).pk}
    if str(arguments.get("order_id")).startswith("the online payment of"):
        payment = OnlinePayment.objects.get(customer__code=arguments["order_id"].split()[-1])
        arguments = arguments | {"order_id": payment.order_id}
    if arguments.get("pk") == TERMS:
        arguments = arguments | {"pk": PackageTerms.objects.get().pk}
    return reverse(name, kwargs=arguments)


@pytest.fixture(scope="module", autouse=True)
def both_have_bills(shared_stage):
    """Acme and Globex have used the same service in the same hour, which is closed, and use it now.

    Both have bought the same package, of which the hour has drawn. All tests here find it so.
    """
    shared_stage(use_in_a_closed_hour_and_now)


def use_in_a_closed_hour_and_now():
    terms, customers = tokens_product(), (make_acme(), make_globex())
    for one in customers:
        buy(one, terms, now=at(0))
        colleague = User.objects.create_user(f"colleague@{one.code}.example")
        Member.objects.create(customer=one, user=colleague)
        issue_service_key(name="gateway", owner=one, public_id=f"keyof{one.code}")
        endpoint(one, f"http://127.0.0.1/{one.code}")
        suspended(one)
        budget(one, now=at(0))
        record(report(customer=one.code, service=UNCOVERED))
    close()
    for one in customers:
        requested(with_tax_data(one, invoice_kind="ordinary"), issue_statement(one))
        ordered(one)
        record(report("late", customer=one.code, service=UNCOVERED))
        draw(one.quota_packages.get(), 1000, of=one.hourly_bills.get())


@pytest.fixture
def acme():
    return customer("acme")


@pytest.fixture
def globex():
    return customer("globex")


def test_every_route_has_an_entry_in_this_file():
    known = PUBLIC | PERSONAL | set(OWNED) | KEYED | DEEDS | set(STAFFED)

    assert set(ROUTES) == known
    assert len(ROUTES) == len([*routes()])  # no two routes share a name
    assert len(STAFFED) > 20


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_pages_hold_nothing_of_a_customer(name, alice_client):
    answers = [client.get(reverse(name), follow=False) for client in (Client(), alice_client)]

    # The tests' own database may run without fsync, and then is not ready.
    allowed = {200, 302, 503} if name == "readyz" else {200, 302}
    assert {answer.status_code for answer in answers} <= allowed
    assert not any(GLOBEX in answer.content for answer in answers)


@pytest.mark.parametrize("name", sorted(PERSONAL | set(OWNED)))
def test_nobody_in_particular_is_asked_to_sign_in(name):
    arguments, _ = OWNED.get(name, ({}, {}))
    path = address(name, arguments)

    answer = Client().get(path)

    assert (answer.status_code, answer.headers["Location"]) == (302, f"{reverse('sign_in')}?next={path}")
    assert answer.content == b""


@pytest.mark.parametrize("name", sorted(OWNED))
def test_what_is_another_customers_is_not_there(name, alice_client):
    foreign, nobodys = OWNED[name]

    answer = alice_client.get(address(name, foreign))

    assert answer.status_code == 404
    assert GLOBEX not in answer.content
    assert answer.getvalue() == alice_client.get(address(name, nobodys)).getvalue()


@pytest.mark.parametrize("name", sorted(OWNED))
def test_its_owner_sees_it(name, bob_client):
    """The control: there was something that Alice did not see."""
    own, _ = OWNED[name]

    answer = bob_client.get(address(name, own))

    assert answer.status_code == 200
    assert GLOBEX in answer.getvalue() or name in PACKED


@pytest.mark.parametrize("name", sorted(OWNED))
def test_what_is_ones_own_says_nothing_of_another_customer(name, alice_client):
    foreign, _ = OWNED[name]
    own = {argument: value.replace("globex", "acme") for argument, value in foreign.items()}

    answer = alice_client.get(address(name, own))

    shown = answer.getvalue()
    assert answer.status_code == 200
    assert b"acme" in shown or name in PACKED
    assert GLOBEX not in shown


@pytest.mark.parametrize("name", sorted(OWNED))
def test_staff_who_do_not_act_for_a_customer_use_the_admin(name, operator_client):
    arguments, _ = OWNED[name]

    answer = operator_client.get(address(name, arguments))

    assert answer.status_code == 404


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
@pytest.mark.parametrize("name", sorted(OWNED))
def test_what_is_another_customers_is_not_there_by_any_method(name, method, alice_client):
    arguments, _ = OWNED[name]

    answer = getattr(alice_client, method)(address(name, arguments))

    assert answer.status_code in {404, 405}
    assert GLOBEX not in answer.content


@pytest.mark.parametrize("name", sorted(PERSONAL))
def test_what_is_personal_says_nothing_of_another_customer(name, alice_client):
    answer = alice_client.get(reverse(name), follow=True)

    assert answer.status_code == 200
    assert b"Acme" in answer.content
    assert GLOBEX not in answer.content


@pytest.mark.parametrize("name", sorted(OWNED))
def test_a_person_who_no_longer_acts_for_a_customer_sees_it_no_more(name, bob, bob_client):
    own, _ = OWNED[name]
    seen = bob_client.get(address(name, own))
    assert (seen.status_code, GLOBEX in seen.getvalue() or name in PACKED) == (200, True)

    bob.memberships.all().delete()

    assert bob_client.get(address(name, own)).status_code == 404


@pytest.mark.parametrize("name", sorted(KEYED))
def test_a_session_is_no_key(name, alice_client):
    path = sample(ROUTES[name])

    answers = [
        answer
        for client in (Client(), alice_client)
        for answer in (client.get(path), client.post(path, "[]", content_type="application/json"))
    ]

    assert [answer.status_code for answer in answers] == [401] * 4
    assert not any(GLOBEX in answer.content for answer in answers)


@pytest.mark.parametrize("path", ["/api/v1/packages?customer=globex", f"/api/v1/packages/{PACKAGE}/draws"])
def test_a_key_of_one_customer_sees_no_package_of_another(path, acme, globex):
    def get(customer):
        _, key = issue_service_key(name="books", scopes=[Scope.BILLING_READ], customers=[customer])
        return Client().get(path, headers={"Authorization": f"Bearer {key}"})

    refused, own = get(acme), get(globex)

    assert (refused.status_code, GLOBEX in refused.content) == (404, False)
    assert (own.status_code, GLOBEX in own.content) == (200, True)


@pytest.mark.parametrize("name", sorted(set(STAFFED) - STAFF_OPEN))
def test_the_admin_is_for_staff(name, alice_client):
    path = sample(STAFFED[name])

    answers = [client.get(path) for client in (Client(), alice_client)]

    assert [answer.status_code for answer in answers] == [302, 302]
    assert all(answer.headers["Location"].startswith(reverse("admin:login")) for answer in answers)
    assert [answer.content for answer in answers] == [b"", b""]


def test_the_admins_sign_in_page_says_nothing_of_a_customer(alice_client):
    answer = alice_client.get(reverse("admin:login"))

    assert answer.status_code == 200
    assert GLOBEX not in answer.content
