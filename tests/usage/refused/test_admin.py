"""Refused usage in the admin: who sees it, what it says, and that nobody can change it."""

import html
import re

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.api_keys.keys import issue_service_key
from accounts.models import ServiceKey, User
from tests.usage.refused.builders import USAGE, a_record, send
from usage.models import HOUR, RefusedUsage

pytestmark = pytest.mark.django_db

LIST = reverse("admin:usage_refusedusage_changelist")


def text(answer):
    """What a page says, in one line."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", answer.content.decode())))


def staff_client(permission):
    """The browser of a person who may do one thing."""
    person = User.objects.create_user("staff@sensenova.example", is_staff=True)
    person.user_permissions.add(Permission.objects.get(codename=permission))
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def refused(acme, globex, service_key):
    """Two records of Acme of an unknown service, one of Globex that is not valid, and one without a key."""
    send(
        USAGE.path, [a_record(USAGE, service="made-up", event_id=f"call-{n}") for n in range(2)], service_key
    )
    send(USAGE.path, a_record(USAGE, customer="globex", tokens=-1), issue_service_key(name="other")[1])
    send(USAGE.path, a_record(USAGE), "")


def test_the_list_says_how_much_was_refused_of_whom_and_why(refused, operator_client):
    shown = text(operator_client.get(LIST))

    key = ServiceKey.objects.get(name="chat-gateway-1")
    assert f"{key} acme no such service 2 1" in shown
    assert "globex a field is missing, unknown or not valid 1 1" in shown
    assert "no valid key not known no key 1 1" in shown
    assert "made-up" not in shown


def test_the_list_is_filtered_by_reason_and_key_and_finds_a_customer(refused, operator_client):
    for query, number in (
        ({"reason__exact": "unknown_service"}, 1),
        ({"key": "chat-gateway-1"}, 1),
        ({"q": "globex"}, 1),
        ({"q": "chat-gateway-1"}, 1),
        ({"q": "nobody"}, 0),
        ({}, 3),
    ):
        answer = operator_client.get(LIST, query)
        assert len(answer.context["cl"].result_list) == number, query


def test_the_list_goes_by_pages(refused, operator_client):
    first = RefusedUsage.objects.earliest("pk")
    RefusedUsage.objects.bulk_create(
        RefusedUsage(
            hour=first.hour - n * HOUR, key=first.key, customer=first.customer, reason="too_old",
            requests=1, records=1, last_at=first.hour, latest=[],
        )
        for n in range(100)
    )  # fmt: skip

    pages: list[int] = []
    following = "?"
    while following:
        page = operator_client.get(LIST + following).context["cl"]
        pages, following = [*pages, len(page.result_list)], page.paginator.next

    assert pages == [50, 50, 3]


def test_a_counter_says_when_and_where_the_last_few_requests_came(refused, operator_client):
    one = RefusedUsage.objects.get(reason="unknown_service")

    answer = operator_client.get(reverse("admin:usage_refusedusage_change", args=[one.pk]))

    shown = text(answer)
    assert "no such service (<code>unknown_service</code>)" in answer.content.decode()
    assert f"{one.last_at:%Y-%m-%d %H:%M:%S} /api/v1/usage, records: 2" in shown
    for page, key in (("accounts_servicekey", one.key_id), ("accounts_customer", one.customer_id)):
        assert f'href="{reverse(f"admin:{page}_change", args=[key])}"' in answer.content.decode()


def test_where_nothing_was_refused_the_list_says_what_will_appear(operator_client):
    assert "No usage was refused. Reports that are refused appear here" in text(operator_client.get(LIST))


def test_only_who_may_look_at_refused_usage_sees_it(refused):
    assert staff_client("view_refusedusage").get(LIST).status_code == 200


def test_who_may_only_look_at_something_else_does_not_see_it(refused):
    assert staff_client("view_refusedcalls").get(LIST).status_code == 403


def test_a_customer_sees_nothing_of_it(refused, bob_client):
    answer = bob_client.get(LIST)

    assert (answer.status_code, answer.content) == (302, b"")


def test_nobody_changes_it(refused, operator_client):
    one = RefusedUsage.objects.earliest("pk")

    for action in ("change", "delete"):
        page = reverse(f"admin:usage_refusedusage_{action}", args=[one.pk])
        assert operator_client.post(page, {"records": 9, "post": "yes"}).status_code == 403
    assert operator_client.get(reverse("admin:usage_refusedusage_add")).status_code == 403


def test_the_sidebar_leads_there(operator_client):
    assert f'href="{LIST}"' in operator_client.get(reverse("admin:index")).content.decode()
