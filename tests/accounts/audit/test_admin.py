"""The admin signs what is done in it, and shows the audit trail."""

import html
import re

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.audit.audited_admin import AuditedAdmin
from accounts.audit.context import audit_context
from accounts.models import AuditAction, AuditEntry, Customer, ServiceKey, User
from invoices.books.constraints import APPEND_ONLY
from invoices.models import Adjustment
from pricing.models import CallSpecification, Proposal, QuotaPackage, Service, ServiceAlias
from tests.browsing import version_of
from tests.builders import item
from tests.conftest import PASSWORD
from tests.querying import statements

pytestmark = pytest.mark.django_db

OPERATOR = "operator@sensenova.example"
TRAIL = "admin:accounts_auditentry_changelist"


def last(table):
    """The newest entry of a table: author, reason, action."""
    entry = AuditEntry.objects.filter(table=table).latest("pk")
    return entry.by, entry.reason, entry.deed


def text(answer):
    """What a page says, without its tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", answer.content.decode())).split())


def members(*rows):
    """The fields of a customer's page that add these members."""
    total = {"members-TOTAL_FORMS": len(rows), "members-INITIAL_FORMS": 0}
    users = {f"members-{n}-user": user.pk for n, user in enumerate(rows)}
    return total | users | {f"members-{n}-role": "viewer" for n in range(len(rows))}


# --- Every change has an author ---------------------------------------------------------------------------


def test_every_admin_that_lets_anything_change_is_signed(rf, operator):
    """Documents that are never changed hold author and reason themselves; buying and adjusting sign."""
    request = rf.get("/")
    request.user = operator
    unsigned = [
        model
        for model, its in admin.site._registry.items()
        if model not in (*APPEND_ONLY, Adjustment, QuotaPackage)
        and not isinstance(its, AuditedAdmin)
        and (
            its.has_add_permission(request)
            or its.has_change_permission(request)
            or its.has_delete_permission(request)
        )
    ]

    assert unsigned == []
    assert sum(isinstance(its, AuditedAdmin) for its in admin.site._registry.values()) >= 7


def test_a_customer_and_its_members_are_signed_with_one_reason(alice, operator_client):
    new = {"code": "initech", "name": "Initech", "time_zone": "Asia/Shanghai", "reason": "Contract 7."}

    operator_client.post(reverse("admin:accounts_customer_add"), new | members(alice))

    assert Customer.objects.get(code="initech").members.get().user == alice
    assert last("accounts_customer") == (OPERATOR, "Contract 7.", AuditAction.ADDED)
    assert last("accounts_member") == (OPERATOR, "Contract 7.", AuditAction.ADDED)


def test_a_reason_may_be_left_out_but_not_the_author(acme, operator_client):
    changed = {"name": "Acme & Sons", "time_zone": "Asia/Shanghai", "reason": ""}

    operator_client.post(reverse("admin:accounts_customer_change", args=[acme.pk]), changed | members())

    assert last("accounts_customer") == (OPERATOR, "", AuditAction.CHANGED)


def test_a_reason_is_not_longer_than_500(acme, operator_client):
    changed = {"name": "Acme & Sons", "time_zone": "Asia/Shanghai", "reason": "x" * 501}

    operator_client.post(reverse("admin:accounts_customer_change", args=[acme.pk]), changed | members())

    assert Customer.objects.get().name == "Acme Ltd"


@pytest.mark.parametrize("reason", ["", "They asked for more."])
def test_a_call_specification_is_changed_only_for_a_reason(reason, operator_client):
    limits = CallSpecification.objects.earliest("pk")
    fields = {
        "rpm": 120,
        "ends_at_0": "2099-01-01",
        "ends_at_1": "00:00",
        "reason": reason,
    }

    answer = operator_client.post(reverse("admin:pricing_callspecification_change", args=[limits.pk]), fields)

    limits.refresh_from_db()
    assert (limits.rpm, answer.status_code) == (60, 302 if reason else 200)  # it has begun
    assert (limits.ends_at is not None) is bool(reason)
    assert ("Give a reason" in answer.content.decode()) is not bool(reason)
    if reason:
        assert last("pricing_callspecification") == (OPERATOR, reason, AuditAction.CHANGED)


@pytest.mark.parametrize("reason", ["", "The gateway was renamed."])
def test_an_alias_is_turned_only_for_a_reason(reason, operator_client):
    alias = ServiceAlias.objects.create(alias="gpt-x", service=Service.objects.earliest("pk"))
    other = Service.objects.latest("pk")
    fields = {"alias": "gpt-x", "service": other.pk, "reason": reason}

    answer = operator_client.post(reverse("admin:pricing_servicealias_change", args=[alias.pk]), fields)

    turned = ServiceAlias.objects.get()
    assert (turned.service == other) is bool(reason)
    assert ("Give a reason" in answer.content.decode()) is not bool(reason)


def test_a_call_specification_that_has_begun_does_not_end_in_the_past(operator_client):
    limits = CallSpecification.objects.earliest("pk")
    fields = {"ends_at_0": "2024-01-01", "ends_at_1": "00:00", "reason": "It was wrong."}

    answer = operator_client.post(reverse("admin:pricing_callspecification_change", args=[limits.pk]), fields)

    assert "only be moved into the future" in answer.content.decode()


@pytest.mark.parametrize("way", ["its page", "the list's action"])
def test_what_is_deleted_is_signed(way, operator_client):
    alias = ServiceAlias.objects.create(alias="gpt-x", service=Service.objects.earliest("pk"))
    page = reverse("admin:pricing_servicealias_delete", args=[alias.pk])
    body = {"post": "yes"}
    if way == "the list's action":
        page = reverse("admin:pricing_servicealias_changelist")
        body |= {"action": "delete_selected", "_selected_action": str(alias.pk)}
        body |= {"version": version_of(operator_client.post(page, body | {"post": ""}))}

    operator_client.post(page, body)

    assert last("pricing_servicealias") == (OPERATOR, "", AuditAction.REMOVED)


def test_a_key_is_made_changed_and_revoked_signed(operator_client, acme):
    new = {"name": "gateway", "scopes": "usage:write", "is_limited": "True", "customers": acme.pk}
    operator_client.post(reverse("admin:accounts_servicekey_add"), new | {"reason": "For the gateway."})
    assert last("accounts_servicekey") == (OPERATOR, "For the gateway.", AuditAction.ADDED)
    assert last("accounts_servicekey_customers") == (OPERATOR, "For the gateway.", AuditAction.ADDED)
    key = ServiceKey.objects.get()

    operator_client.post(
        reverse("admin:accounts_servicekey_rotate", args=[key.pk]), {"reason": "A year old."}
    )
    assert last("accounts_servicekey") == (OPERATOR, "A year old.", AuditAction.ADDED)

    operator_client.post(reverse("admin:accounts_servicekey_revoke", args=[key.pk]), {"reason": "Leaked."})
    assert last("accounts_servicekey") == (OPERATOR, "Leaked.", AuditAction.CHANGED)


def test_a_new_password_is_signed(alice, operator_client):
    new = {"password1": PASSWORD[::-1], "password2": PASSWORD[::-1], "usable_password": "true"}

    operator_client.post(reverse("admin:auth_user_password_change", args=[alice.pk]), new)

    alice.refresh_from_db()
    assert alice.check_password(PASSWORD[::-1])
    assert last("accounts_user") == (OPERATOR, "", AuditAction.CHANGED)


def test_ones_own_new_password_is_signed(operator, operator_client):
    new = {"old_password": PASSWORD, "new_password1": PASSWORD[::-1], "new_password2": PASSWORD[::-1]}

    operator_client.post(reverse("admin:password_change"), new)

    operator.refresh_from_db()
    assert operator.check_password(PASSWORD[::-1])
    assert last("accounts_user") == (OPERATOR, "", AuditAction.CHANGED)


def test_an_item_and_its_first_price_are_signed_with_one_reason(operator_client):
    service = Service.objects.get(name="nova-embedding-stable")
    query = {
        "show": 1,
        "service": service.pk,
        "measure": "output_tokens",
        "kind": "list_price",
        "unit_price": "0.1",
        "unit_size": "1000",
        "begins_at": "2023-01-01T00:00",
    }
    page = reverse("put_on_sale", query=query)

    plan = operator_client.get(page).context["preview"].fingerprint
    operator_client.post(page, {"reason": "On sale from today.", "preview": plan})

    assert item("nova-embedding-stable", "output_tokens").prices.count() == 1
    for table in ("pricing_billingitem", "pricing_price"):
        assert last(table) == (OPERATOR, "On sale from today.", AuditAction.ADDED)


# --- The pages ----------------------------------------------------------------------------------------


def test_the_trail_shows_author_change_and_reason(acme, operator_client):
    with audit_context(by="clerk@sensenova.example", reason="They moved."):
        Customer.objects.filter(pk=acme.pk).update(time_zone="Europe/Berlin")

    page = text(operator_client.get(reverse(TRAIL)))

    assert "clerk@sensenova.example" in page
    assert "They moved." in page
    assert "time zone: Asia/Shanghai → Europe/Berlin" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"table": "accounts_customer"}, {"acme", "globex"}),
        ({"table": "pricing_price"}, set()),
        ({"deed__exact": "removed"}, set()),
        ({"q": "clerk@sensenova.example"}, {"globex"}),
        ({"q": "clerk@"}, set()),
        ({"q": "nobody"}, set()),
    ],
    ids=lambda given: " ".join(sorted(map(str, given))),
)
def test_the_trail_is_filtered_and_searched(query, found, acme, operator_client):
    with audit_context(by="clerk@sensenova.example"):
        Customer.objects.create(code="globex", name="Globex GmbH")

    page = operator_client.get(reverse(TRAIL), query).context["cl"]

    assert {one.called for one in page.result_list} & {"acme", "globex"} == found


def test_the_trail_of_one_row_is_its_history(acme, globex, operator_client):
    Customer.objects.update(name="Renamed")

    answer = operator_client.get(reverse("admin:accounts_customer_history", args=[acme.pk]), follow=True)

    shown = answer.context["cl"].result_list
    assert [(one.table, one.row, one.deed) for one in shown] == [
        ("accounts_customer", str(acme.pk), AuditAction.CHANGED),
        ("accounts_customer", str(acme.pk), AuditAction.ADDED),
    ]


def test_an_entrys_page_shows_before_and_after(acme, operator_client):
    Customer.objects.filter(pk=acme.pk).update(name="Acme & Sons")
    entry = AuditEntry.objects.latest("pk")

    answer = operator_client.get(reverse("admin:accounts_auditentry_change", args=[entry.pk]))

    first, *others = answer.context["changes"]["rows"]
    assert [re.sub(r"<[^>]*>", "", cell) for cell in first] == ["name", "Acme Ltd", "Acme &amp; Sons"]
    assert not any("<strong" in cell for row in others for cell in row)
    assert reverse("admin:accounts_customer_change", args=[acme.pk]) in answer.content.decode()


def test_the_entry_of_a_proposal_shows_its_rows(operator_client):
    rows = [{"sheet": "aliases", "alias": "gpt-x", "service": "SenseChat-5", "remove": ""}]
    with audit_context(by=OPERATOR, reason="New in their gateway."):
        Proposal.objects.create(
            deed="Name it", rows=rows, reason="New.", proposed_by=OPERATOR, proposed_at=timezone.now()
        )
    entry = AuditEntry.objects.filter(table="pricing_proposal").latest("pk")

    page = text(operator_client.get(reverse("admin:accounts_auditentry_change", args=[entry.pk])))

    assert "alias: gpt-x; sheet: aliases; service: SenseChat-5" in page


def test_a_page_of_the_trail_counts_no_more_than_it_could_show(acme, operator_client):
    with statements() as taken:
        page = operator_client.get(reverse(TRAIL))

    assert page.context["cl"].result_list
    assert not [one for one in taken if "COUNT(" in one and "LIMIT 201" not in one]


def test_entries_of_a_person_are_found_by_an_index(acme):
    with connection.cursor() as cursor:
        for way in (
            "seqscan",
            "bitmapscan",
            "sort",
        ):  # so small a table may well do without
            cursor.execute(f"SET LOCAL enable_{way} = off")
        plans = [
            AuditEntry.objects.filter(**wanted)[:50].explain()
            for wanted in ({"by": OPERATOR}, {"row": "1"}, {"table": "x", "row": "1"}, {"table": "x"}, {})
        ]

    assert all("Index" in plan and "Sort" not in plan for plan in plans), plans


def test_the_trail_is_only_read(operator_client, acme):
    entry = AuditEntry.objects.latest("pk")
    pages = [
        reverse("admin:accounts_auditentry_add"),
        reverse("admin:accounts_auditentry_change", args=[entry.pk]),
        reverse("admin:accounts_auditentry_delete", args=[entry.pk]),
    ]

    assert [operator_client.post(page, {"post": "yes"}).status_code for page in pages] == [403] * 3


def test_staff_without_the_right_do_not_see_the_trail():
    person = User.objects.create_user("clerk@sensenova.example", is_staff=True)
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")

    assert client.get(reverse(TRAIL)).status_code == 403
