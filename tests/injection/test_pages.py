"""Nothing that a person or a service can set runs on a page: it is escaped wherever it is shown."""

import datetime as dt
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from accounts.models import Customer, User
from invoices.models import ChargeLine, HourlyBill
from pricing.models import ServiceGroup
from tests.browsing import fields_of
from tests.conftest import make_acme
from tests.injection.payloads import MARK, PAYLOADS, findings, packed
from tests.injection.stage import (
    EVENT_IDS,
    LONG_NAMES,
    NAMES,
    NOW,
    REASONS,
    USAGE,
    name_customer,
    set_everything,
)
from tests.test_tenancy import KEYED, ROUTES, STAFF_PAGES
from tests.translations.test_pages import VISITS, addresses

pytestmark = pytest.mark.django_db

ALL = packed(10_000)[0]
MOST_ROWS = len(NAMES)
NO_PAGES = {"end_customer_view", "catalogue_csv", "catalogue_xlsx", "sign_out", "api_schema"}
QUERIES = (
    *(
        "q",
        "service",
        "from",
        "to",
        "event_id",
        "customer",
        "older_than",
        "newer_than",
        "next",
        "show",
        "item",
    ),
    *(
        "units",
        "periods",
        "input_tokens",
        "text",
        "about",
        "table",
        "unit_price",
        "prices",
        "source",
        "target",
    ),
)
MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)


@pytest.fixture(scope="module", autouse=True)
def payloads_everywhere(shared_stage):
    """Every name holds payloads. All tests here find it so."""

    def stage():
        acme = make_acme()
        alice = User.objects.create_user("alice@acme.example")
        acme.members.create(user=alice, role="owner")
        set_everything(acme, alice)

    shared_stage(stage)


@pytest.fixture(autouse=True)
def later(monkeypatch):
    """It is some hours later, when all of it has happened."""
    monkeypatch.setattr("sensenova_billing.lib.clock.now", lambda: NOW)


@pytest.fixture
def acme():
    return Customer.objects.get(code="acme")


@pytest.fixture
def alice_client():
    client = Client()
    alice = User.objects.get(email="alice@acme.example")
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    return client


def run_on(client: Client, *paths: str) -> dict[str, list[str]]:
    """What could run on these pages, by their address."""
    answers = {path: client.get(path) for path in paths}
    return {path: found for path, answer in answers.items() if (found := run_in(answer))}


def run_in(answer: Any) -> list[str]:
    """What could run in an answer; what is no page says so, and is not taken for one."""
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    if not answer.headers.get("Content-Type", "text/html").startswith("text/html"):
        return []
    assert answer.content == b"" or "script-src" in answer.headers["Content-Security-Policy"]
    return findings(answer.content.decode())


def those_shown(client: Client, *paths: str) -> set[str]:
    """The payloads that these pages show, escaped."""
    pages = "".join(client.get(path).content.decode() for path in paths)
    return {payload for payload in PAYLOADS if _escaped(payload) in pages}


def _escaped(text: str) -> str:
    for one, other in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#x27;")):
        text = text.replace(one, other)
    return text


# --- What is stored ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(VISITS))
def test_nothing_runs_on_a_customers_page(name, alice_client):
    assert run_on(alice_client, *addresses(name)) == {}


@pytest.mark.parametrize("number", range(len(LONG_NAMES)))
def test_nothing_runs_whatever_the_customer_is_called(number, alice_client, acme):
    name_customer(acme, LONG_NAMES[number])

    assert run_on(alice_client, *(addresses(name)[0] for name in VISITS)) == {}


@pytest.mark.parametrize("name", ["customer_record", "usage_record"])
def test_nothing_of_a_record_runs_and_all_of_it_is_shown(name, alice_client, operator_client):
    is_own = name == "customer_record"
    client, arguments = (alice_client, ["acme"]) if is_own else (operator_client, [])
    query = {} if is_own else {"customer": "acme"}
    paths = [reverse(name, args=arguments, query=query | {"event_id": one}) for one in EVENT_IDS]

    assert run_on(client, *paths) == {}
    assert len(those_shown(client, *paths)) == len(PAYLOADS)


def test_nothing_runs_where_usage_is_grouped_by_metadata(alice_client):
    assert run_on(alice_client, USAGE) == {}
    assert len(those_shown(alice_client, USAGE)) > len(PAYLOADS) / 2


PLACES = ["customer_keys", "customer_people", "customer_limits", "customer_packages", "sessions", "prices"]
PLACES.append("customer_webhooks")


@pytest.mark.parametrize("name", PLACES)
def test_all_of_them_are_shown(name, alice_client):
    """The control: the payloads are on the pages that were looked at."""
    assert len(those_shown(alice_client, addresses(name)[0])) == len(PAYLOADS)


def test_nothing_runs_on_the_bill_of_any_hour(alice_client):
    bills = [reverse("bill", args=[bill.number]) for bill in HourlyBill.objects.all()]
    lines = [reverse("charge_line", args=[line.bill.number, line.pk]) for line in ChargeLine.objects.all()]

    assert run_on(alice_client, *bills, *lines) == {}
    assert len(those_shown(alice_client, *bills)) == len(PAYLOADS)
    assert len(those_shown(alice_client, *lines)) == len(PAYLOADS)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_nothing_runs_on_the_admins_pages(model, operator_client):
    site = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    rows = list(model._default_manager.order_by("-pk")[:MOST_ROWS])
    paths = [reverse(f"{site}_changelist"), reverse(f"{site}_changelist", query={"q": ALL})]
    paths += [reverse(f"{site}_change", args=[row.pk]) for row in rows]
    paths += [reverse(f"{site}_add"), *(reverse(f"{site}_history", args=[row.pk]) for row in rows[:1])]

    assert run_on(operator_client, *paths) == {}


ADMIN_PLACES = ["accounts_servicekey", "accounts_user", "pricing_service", "pricing_servicegroup"]
ADMIN_PLACES += [
    "pricing_servicealias",
    "pricing_packageterms",
    "pricing_quotapackage",
    "accounts_auditentry",
]


@pytest.mark.parametrize("name", ADMIN_PLACES)
def test_all_of_them_are_shown_in_the_admin(name, operator_client):
    """The control."""
    assert len(those_shown(operator_client, reverse(f"admin:{name}_changelist", query={"all": ""}))) > 50


def test_nothing_runs_on_the_other_pages_of_the_admin(operator_client, acme):
    paths = [reverse(name) for name in sorted(STAFF_PAGES - NO_PAGES)]
    line = ChargeLine.objects.earliest("pk")
    paths += [reverse("admin:index"), reverse("admin:invoices_chargeline_change", args=[line.pk])]
    paths += [reverse("admin_search", query={"q": name[:20]}) for name in NAMES]
    for deed in ("view_as", "give_own_limits"):
        paths.append(reverse(f"admin:accounts_customer_{deed}", args=[acme.pk]))

    assert run_on(operator_client, *paths) == {}


def test_nothing_runs_where_a_price_change_is_previewed(operator_client):
    groups = ServiceGroup.objects.filter(name__in=NAMES).values_list("pk", flat=True)
    soon = f"{NOW + dt.timedelta(days=1):%Y-%m-%dT%H:%M}"
    query = {"show": "1", "percent_off": "10", "begins_at": soon, "groups": list(groups)}
    path = reverse("announce_offer", query=query)

    assert run_on(operator_client, path) == {}
    assert len(those_shown(operator_client, path)) == len(PAYLOADS)


# --- What is sent back ---------------------------------------------------------------------------------


def test_nothing_runs_that_stands_in_an_address(alice_client, operator_client):
    queries = dict.fromkeys(QUERIES, ALL)
    paths = [reverse(name, query=queries) for name in sorted(STAFF_PAGES - NO_PAGES)]
    paths += [addresses(name)[0] + f"?{quote('x')}=1&" + _query(queries) for name in VISITS]
    paths += [_filled(path) for name, path in ROUTES.items() if "<str:" in path and name not in KEYED]

    for client in (alice_client, operator_client, Client()):
        assert run_on(client, *paths) == {}


def _query(queries: dict[str, str]) -> str:
    return "&".join(f"{name}={quote(value)}" for name, value in queries.items())


def _filled(path: str) -> str:
    text = quote(ALL.replace("/", ""), safe="")[:2000].rpartition("%")[0]
    filled = path.replace("<int:pk>", "1").replace("<int:id>", "1")
    while "<" in filled:
        before, _, after = filled.partition("<")
        filled = before + text + after.partition(">")[2]
    return f"/{filled}"


FORMS = ["sign_in", "forgot_password", "account", "change_password", "make_customer_key", "invite_person"]
FORMS += ["customer_settings", "prices", "change_member", "add_webhook"]


@pytest.mark.parametrize("name", FORMS)
def test_nothing_runs_that_a_form_sends_back(name, alice_client):
    client = Client() if name in {"sign_in", "forgot_password"} else alice_client

    assert run_in(_sent(client, addresses(name)[0])) == []


ADMIN_FORMS = ["accounts_customer", "accounts_user", "accounts_servicekey", "pricing_service"]
ADMIN_FORMS += ["pricing_servicegroup", "pricing_servicealias", "pricing_callspecification"]


@pytest.mark.parametrize("name", ["onboard_customer", *(f"admin:{name}_add" for name in ADMIN_FORMS)])
def test_nothing_runs_that_a_form_of_the_admin_sends_back(name, operator_client):
    answer = _sent(operator_client, reverse(name))

    assert (answer.status_code, run_in(answer)) == (200, [])
    assert MARK in answer.content.decode()


def test_nothing_runs_on_the_summary_of_a_new_customer(operator_client):
    for n, name in enumerate(LONG_NAMES):
        fields = {"code": f"new-{n}", "name": name, "time_zone": "Asia/Shanghai", "reason": REASONS[0]}
        fields |= {"key_name": NAMES[n], "owner_email": '"<script>pwn=1</script>"@new.example'}
        answer = operator_client.post(reverse("onboard_customer"), fields | {"scopes": ["usage:write"]})
        assert (answer.context["title"], run_in(answer)) == (f"{name} is onboarded", [])


def _sent(client: Client, path: str) -> Any:
    """Send the form of a page with payloads in every field."""
    fields = fields_of(client.get(path))
    return client.post(path, dict.fromkeys(fields, ALL), follow=True)


# --- Programs ------------------------------------------------------------------------------------------


def test_answers_for_programs_are_json():
    for path in (reverse("api_catalog"), reverse("api_schema"), f"/api/v1/{quote(ALL)}"):
        answer = Client().get(path)
        assert not answer.headers["Content-Type"].startswith("text/html") or run_in(answer) == []
