"""Every page of the admin in Chinese: no English word is left, but names.

The pages are all routes of the admin, so that a new one is visited without a line here; what a route needs
to say more, such as a query, is in QUERIES. `-k pricing` takes the pages of an app.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.db import transaction
from django.db.models import Max, Model
from django.test import Client, override_settings
from django.urls import resolve, reverse

from accounts.models import AuditEntry, Customer, Member, MemberRole, User
from pricing.models import BillingItem, PackageTerms, Price
from tests.browsing import fields_of
from tests.conftest import PASSWORD, make_acme, make_globex
from tests.query_counts.stage import add_one_of_each, now_of
from tests.test_tenancy import STAFFED
from tests.translations.pages import english_on, stored_names
from tests.translations.test_pages import CHINESE, keep_everything

pytestmark = pytest.mark.django_db

OPERATOR = "operator@sensenova.example"
ROUNDS = 1
MOST_ROWS = 3
MODELS: dict[str, type[Model]] = {
    f"admin:{model._meta.app_label}_{model._meta.model_name}_": model for model in admin.site._registry
}
MODELS["admin:auth_user_"] = User
# Of these models a row of each sort, whatever their number.
SORTS = {AuditEntry: ("table", "deed"), Price: ("kind", "customer"), PackageTerms: ("product__method",)}
# What the audit trail holds of a proposal, cells of a file and what it does, and what is shown of a password.
STORED = re.compile(r"(kind|sheet): .*|(?:提案 )?End 2 prices now|: \w+\**")
RECORD = "?customer=acme&event_id=next"
QUERIES = {
    "usage_record": [RECORD, "?customer=acme&event_id=none", "?customer=x&event_id="],
    "admin:invoices_chargeline_changelist": [RECORD],
    "admin:accounts_auditentry_changelist": ["?about=accounts_customer:{customer}", "?customer=acme"],
    "admin_search": ["?q=acme", "?q=call-0-0-0", "?q=none"],
    "change_price": ["?item={item}"],
    "end_price": ["?prices={price}"],
}


def app_of(name: str) -> str:
    """The app whose code makes a page; of a page of a model, that of the model."""
    if name.startswith("admin:"):
        return name.removeprefix("admin:").partition("_")[0]
    return resolve(reverse(name)).func.__module__.partition(".")[0]


# Without what has no name: it leads on to a page that has one.
PAGES = [pytest.param(name, id=f"{app_of(name)}-{name}") for name in sorted(STAFFED) if "/" not in name]


@pytest.fixture(scope="module", autouse=True)
def names(shared_stage: Any) -> frozenset[str]:
    """Everything has happened to Acme, and all tests here find it so: the names that are stored then."""
    names: frozenset[str] = shared_stage(_make_everything)
    return names


def _make_everything() -> frozenset[str]:
    acme, globex = make_acme(), make_globex()
    alice = User.objects.create_user("alice@acme.example", PASSWORD)
    Member.objects.create(role=MemberRole.OWNER, customer=acme, user=alice)
    User.objects.create_superuser(OPERATOR, PASSWORD)
    with override_settings():
        keep_everything(acme=acme, globex=globex, alice=alice, settings=settings)
        for number in range(ROUNDS):
            add_one_of_each(number)
    return stored_names()


@pytest.fixture(autouse=True)
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is some hours later, when all of it has happened."""
    monkeypatch.setattr("sensenova_billing.lib.clock.now", lambda: now_of(ROUNDS))


@pytest.fixture
def chinese() -> Client:
    """The operator's browser, which asks for Chinese."""
    client = Client(headers=CHINESE)
    operator = User.objects.get(email=OPERATOR)
    client.force_login(operator, backend="django.contrib.auth.backends.ModelBackend")
    return client


def addresses(name: str) -> Iterator[str]:
    """Yield the addresses of a page: of each of some rows, or of a list with its queries and filters."""
    model = model_of(name)
    if name == "admin:app_list":
        yield from (reverse(name, args=[app]) for app in ("accounts", "pricing", "usage", "invoices"))
    elif "<" not in STAFFED[name]:
        yield from (reverse(name) + query for query in ("", *_queries(name, model)))
    else:
        yield from (reverse(name, args=[key]) for key in _keys_of(model))


def model_of(name: str) -> type[Model] | None:
    """The model that a page is of."""
    return next((model for start, model in MODELS.items() if name.startswith(start)), None)


def _queries(name: str, model: type[Model] | None) -> Iterator[str]:
    shown = {"customer": Customer, "item": BillingItem, "price": Price}
    keys = {name: model._default_manager.earliest("pk").pk for name, model in shown.items()}
    yield from (query.format(**keys) for query in QUERIES.get(name, ()))
    if model and name.endswith("_changelist"):
        yield from ("?q=acme", "?q=there-is-none", "?e=1")


def _keys_of(model: type[Model] | None) -> list[Any]:
    if model is None:
        return []
    rows = model._default_manager.order_by("pk")
    if sort := SORTS.get(model):
        return sorted(
            rows.order_by().values_list(*sort).annotate(latest=Max("pk")).values_list("latest", flat=True)
        )
    keys = list(rows.values_list("pk", flat=True))
    return keys[:: max(1, -(-len(keys) // MOST_ROWS))] + keys[-1:]


def left_over(answer: Any, names: frozenset[str]) -> list[str]:
    """The English on a page; nothing where the answer is a file or leads elsewhere."""
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    if answer.status_code == 302 or kind != "text/html":
        return []
    assert answer.headers["Content-Language"] == "zh-hans"
    found = dict.fromkeys(english_on(answer.content.decode(), names))
    return [text for text in found if not STORED.fullmatch(text)]


@pytest.mark.parametrize("name", PAGES)
def test_no_english_is_left_on_a_page_of_the_admin(name, chinese, names):
    english = {}
    for address in addresses(name):
        answer = chinese.get(address, follow=True)
        answer.getvalue()  # a file is read as it is sent
        assert answer.status_code in {200, 400, 403, 404, 405}, address
        if left := left_over(answer, names):
            english[address] = left

    assert english == {}


@pytest.mark.parametrize("name", PAGES)
def test_nor_in_the_answer_to_a_form_that_is_empty_senseless_or_unchanged(name, chinese, names):
    english = {}
    for address in dict.fromkeys([*addresses(name)][:: len([*addresses(name)]) - 1 or 1]):
        shown = chinese.get(address)
        shown.getvalue()
        fields = fields_of(shown) if "html" in shown.headers.get("Content-Type", "") else {}
        # Without these Django names them, for whoever has altered the form.
        own = {name: values for name, values in fields.items() if name.endswith("_FORMS")}
        for sent in (dict.fromkeys(fields, "") | own, dict.fromkeys(fields, "x") | own, fields):
            if left := left_over(_post_and_undo(chinese, address, sent), names):
                english[address, str(sent)[:40]] = left

    assert english == {}


def _post_and_undo(client: Client, address: str, sent: dict[str, Any]) -> Any:
    """Post what another form must not be affected by, and follow to the page that says what was done."""
    with transaction.atomic():
        answer = client.post(address, sent, follow=True)
        answer.getvalue()
        transaction.set_rollback(True)
    return answer
