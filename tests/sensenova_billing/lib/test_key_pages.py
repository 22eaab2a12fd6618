"""Lists of the admin go by key: page by page, forward and back, they show what one page of all would."""

from typing import Any

import pytest
from django.contrib import admin
from django.test import RequestFactory
from django.urls import reverse

from accounts.models import Customer, ServiceKey, User
from sensenova_billing.lib.admin.key_pages import PageKey, read_page
from tests.conftest import make_acme, make_globex
from tests.querying import statements
from tests.translations.test_pages import keep_everything

pytestmark = pytest.mark.django_db

# Charge lines have a search in place of a list.
MODELS = [model for model in admin.site._registry if model._meta.model_name != "chargeline"]
KEYS = "admin:accounts_servicekey_changelist"


@pytest.fixture
def everything(settings):
    """Rows of every kind, also with nothing in some of their columns."""
    acme = make_acme()
    alice = User.objects.create_user("alice@acme.example")
    keep_everything(acme=acme, globex=make_globex(), alice=alice, settings=settings)


@pytest.fixture
def customers():
    """More of them than are counted."""
    Customer.objects.bulk_create(Customer(code=f"c-{n:03}", name=f"Name {n % 7}") for n in range(210))


def orders(model, person):
    """The model's list in each order that its head offers."""
    model_admin = admin.site._registry[model]
    lists: dict[str, Any] = {}
    for place in range(len(model_admin.list_display) + 1):
        for order in (f"{place}", f"-{place}"):
            request = RequestFactory().get("/", {"o": order})
            request.user = person
            changes = model_admin.get_changelist_instance(request)
            lists.setdefault(str(changes.queryset.query.order_by), changes)
    return lists.values()


def walk(changes, rows, *, word):
    """The keys of these rows, read in a few pages after the first row, or before the last."""
    size = len(rows) // 4 + 1
    (start, forward) = (rows[0], True) if word == "next" else (rows[-1], False)
    found = [start.pk]
    key: PageKey | None = PageKey(start.pk, is_before=not forward)
    while key:
        page = read_page(rows=changes.queryset, size=size, key=key, among=changes.root_queryset)
        keys = [row.pk for row in page.rows]
        found = found + keys if forward else keys + found
        key = PageKey.read(getattr(page, word), changes.model)
    return found


def test_pages_show_every_row_once_and_in_order_whatever_the_order_is(everything, operator):
    wrong, looked_at = [], 0
    for model in MODELS:
        for changes in orders(model, operator):
            rows = list(changes.queryset)
            looked_at += len(rows) > 1
            for word in ("next", "previous") if rows else ():
                if walk(changes, rows, word=word) != [row.pk for row in rows]:
                    wrong.append((model._meta.label, changes.queryset.query.order_by, word))

    assert wrong == []
    assert looked_at > 100


def test_a_list_leads_to_the_next_page_and_back_and_keeps_its_filters(operator_client, customers):
    listed = reverse("admin:accounts_customer_changelist")
    first = operator_client.get(listed, {"q": "c-", "o": "-0"}).context["cl"]
    second = operator_client.get(listed + first.paginator.next).context["cl"]
    back = operator_client.get(listed + second.paginator.previous).context["cl"]

    assert [row.code for row in first.result_list[::49]] == ["c-209", "c-160"]
    assert [row.code for row in second.result_list[::49]] == ["c-159", "c-110"]
    assert (back.result_list, back.paginator.previous) == (first.result_list, "")
    assert second.query == "c-"


def test_a_long_list_is_neither_counted_nor_skipped(operator_client, customers):
    listed = reverse("admin:accounts_customer_changelist")
    key = f"after-{Customer.objects.get(code='c-150').pk}"

    with statements() as taken:
        page = operator_client.get(listed, {"p": key})

    assert "200+ customers" in page.content.decode()
    assert [one for one in taken if "OFFSET" in one or ("COUNT(" in one and "LIMIT 201" not in one)] == []


def test_a_short_list_says_how_many_rows_it_has(operator_client, acme, globex):
    page = operator_client.get(reverse("admin:accounts_customer_changelist")).content.decode()

    assert "2 customers" in page
    assert 'rel="next"' not in page


@pytest.mark.parametrize("page", ["2", "after-x", "before-", "after-999999", "x", "after-1\0"])
def test_an_odd_page_is_the_first_one(operator_client, service_key, page):
    answer = operator_client.get(reverse(KEYS), {"p": page})

    assert answer.context["cl"].result_list == [ServiceKey.objects.get()]
