"""The audit trail is found by service, customer, person, days and kind, and says in words what was done."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from accounts.audit.context import audit_context
from accounts.models import AuditEntry, Member
from pricing.models import Price, Service
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from tests.builders import item, price
from tests.invoices.browsing import text
from tests.querying import get_within

pytestmark = pytest.mark.django_db

TRAIL = reverse("admin:accounts_auditentry_changelist")
IN = Measure.INPUT_TOKENS
SOON = timezone.now() + dt.timedelta(days=3)


def listed(client, **query):
    """The entries that the trail lists: table and action of each, the newest first."""
    page = client.get(TRAIL, query)
    assert page.status_code == 200
    return [(one.table, one.deed) for one in page.context["cl"].result_list]


@pytest.fixture
def offer(acme):
    """An offer to Acme alone that was announced and taken back; the row is gone."""
    with audit_context(by="carol@sensenova.example", reason="A trial."):
        made = price(
            "SenseChat-Turbo", IN, "0.001", begins_at=SOON, kind=Kind.LIMITED_TIME_OFFER, customer=acme
        )
    with audit_context(by="dave@sensenova.example", reason="Not agreed."):
        made.delete()
    return made


def test_what_is_gone_reads_as_it_was_called(operator_client, offer):
    page = text(operator_client.get(TRAIL, {"service": "SenseChat-Turbo"}))

    assert "SenseChat-Turbo: Input tokens: 0.001 RMB/thousand tokens (limited-time offer), for acme" in page
    assert "taken back" in page
    assert "number" not in page.split("Not agreed.")[0].split("taken back")[-1]


def test_a_service_is_found_with_its_prices(operator_client, offer):
    found = listed(operator_client, service="sensechat-turbo")

    assert found[:2] == [("pricing_price", "removed"), ("pricing_price", "added")]
    assert ("pricing_service", "added") in found
    assert ("pricing_price", "removed") not in listed(operator_client, service="SenseChat-5")


def test_a_customer_is_found_with_its_members_and_prices(operator_client, offer, alice, bob):
    found = listed(operator_client, customer="ACME")

    assert {table for table, _ in found} == {"accounts_customer", "accounts_member", "pricing_price"}
    assert len([one for one in found if one == ("accounts_member", "added")]) == 1


@pytest.mark.parametrize("name", ["nobody", "0", "'", "\0"])
def test_a_name_that_does_not_exist_finds_nothing_or_is_no_filter(operator_client, name):
    assert operator_client.get(TRAIL, {"customer": name}).status_code == 200
    assert operator_client.get(TRAIL, {"service": name, "person": name, "about": name}).status_code == 200


def test_entries_are_found_by_their_author(operator_client, offer):
    assert listed(operator_client, person="dave@sensenova.example") == [("pricing_price", "removed")]


def test_entries_are_found_by_days(operator_client, offer):
    today = timezone.now() + dt.timedelta(hours=8)
    yesterday, tomorrow = (f"{today + dt.timedelta(days=days):%Y-%m-%d}" for days in (-1, 1))

    assert listed(operator_client, person="dave@sensenova.example", **{"from": yesterday, "until": tomorrow})
    assert listed(operator_client, until=yesterday) == []
    assert listed(operator_client, **{"from": tomorrow}) == []
    assert listed(operator_client, **{"from": "9999-99-99"}) == []


def test_prices_are_found_by_their_kind(operator_client, offer):
    offers = listed(operator_client, kind="limited_time_offer", customer="acme")

    assert offers == [("pricing_price", "removed"), ("pricing_price", "added")]
    assert listed(operator_client, kind="free_trial", customer="acme") == []


def history(client, name, row):
    """What the history of a row lists."""
    page = client.get(reverse(f"admin:{name}_history", args=[row]), follow=True)
    return [(one.table, one.deed) for one in page.context["cl"].result_list]


def test_the_history_of_a_billing_item_lists_the_changes_of_its_prices(operator_client, offer):
    found = history(operator_client, "pricing_billingitem", item("SenseChat-Turbo", IN).pk)

    assert found[:2] == [("pricing_price", "removed"), ("pricing_price", "added")]
    assert ("pricing_billingitem", "added") in found


def test_the_history_of_a_service_lists_the_changes_of_its_prices(operator_client, offer):
    service = Service.objects.get(name="SenseChat-Turbo")

    assert history(operator_client, "pricing_service", service.pk)[0] == ("pricing_price", "removed")


def test_the_history_of_a_customer_leaves_out_other_customers(operator_client, offer, alice, bob, globex):
    found = history(operator_client, "accounts_customer", globex.pk)

    assert sorted(found) == [("accounts_customer", "added"), ("accounts_member", "added")]
    assert Member.objects.count() == 2


def test_the_trail_of_a_customer_is_read_by_indexes(acme):
    reference = "(COALESCE(after, before) ->> 'customer_id')"
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            f"EXPLAIN SELECT id FROM accounts_auditentry WHERE {reference} IN ('{acme.pk}')"  # noqa: S608
            " ORDER BY id DESC LIMIT 50"
        )
        plan = " ".join(line for (line,) in cursor.fetchall())

    assert "entries_by_customer_id" in plan


def test_the_first_page_shows_price_changes_among_recent_ones(operator_client, offer):
    page = text(operator_client.get(reverse("admin:index")))

    assert "Recent changes" in page
    assert "(limited-time offer), for acme" in page
    assert "taken back by dave@sensenova.example" in page


def test_a_page_of_the_trail_takes_few_queries_however_many_rows_are_gone(operator_client, acme):
    for n in range(20):
        made = price("SenseChat-Turbo", IN, "0.001", begins_at=SOON + dt.timedelta(days=n), customer=acme,
                     kind=Kind.LIMITED_TIME_OFFER, ends_at=SOON + dt.timedelta(days=n + 1))  # fmt: skip
        made.delete()

    get_within(operator_client, f"{TRAIL}?customer=acme", queries=30)
    assert Price.objects.filter(customer=acme).count() == 0
    assert AuditEntry.objects.filter(deed="removed").count() == 20
    assert made.unit_price == Decimal("0.001")
