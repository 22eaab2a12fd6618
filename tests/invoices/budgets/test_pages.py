"""The pages of budgets: owners set, change and remove them, others of the customer see them."""

from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.models import AuditEntry, MemberRole
from tests.invoices.budgets.builders import budget
from usage.models import Budget

pytestmark = pytest.mark.django_db
TERMS = {"amount": "200.00", "alerts_at": "50, 100", "is_cap": "on"}


def address(name, *more):
    return reverse(name, args=["acme", *more])


def test_an_owner_sets_changes_and_removes_a_budget_and_the_trail_says_so(alice_client):
    new = TERMS | {"service": "", "period": "day"}
    assert alice_client.post(address("add_budget"), new).status_code == 302
    assert "There is such a budget" in alice_client.post(address("add_budget"), new).content.decode()
    one = Budget.objects.get()
    page = alice_client.get(address("customer_budgets")).content.decode()
    assert "200.00" in page
    assert alice_client.get(address("edit_budget", one.pk)).status_code == 200
    alice_client.post(address("edit_budget", one.pk), {"amount": "300", "alerts_at": "80"})
    one.refresh_from_db()
    assert (one.amount, one.alerts_at, one.is_cap) == (Decimal(300), [80], False)
    assert alice_client.get(address("remove_budget", one.pk)).status_code == 200
    alice_client.post(address("remove_budget", one.pk))

    assert "There is no budget yet" in alice_client.get(address("customer_budgets")).content.decode()
    assert AuditEntry.objects.filter(table="usage_budget", by="alice@acme.example").count() == 3


def test_an_owner_sets_a_budget_of_an_api_key_beside_one_of_all_calls(acme, alice_client):
    budget(acme, period="day")
    of_key = TERMS | {"period": "day", "metadata_name": "api_key", "metadata_value": "team-a"}
    assert alice_client.post(address("add_budget"), of_key).status_code == 302

    page = alice_client.get(address("customer_budgets")).content.decode()
    assert "API key team-a" in page
    assert "200.00 RMB a day for all services, API key team-a" in str(
        alice_client.get(address("remove_budget", Budget.objects.get(metadata_value="team-a").pk)).content
    )
    assert "There is such a budget" in alice_client.post(address("add_budget"), of_key).content.decode()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("metadata_name", "project"),
        ("metadata_value", "x"),
        ("metadata_name", "unknown"),
        ("amount", "0"),
        ("amount", "1.001"),
        ("alerts_at", "0"),
        ("alerts_at", "50;80"),
    ],
)
def test_terms_that_make_no_sense_are_refused(alice_client, field, value):
    sent = TERMS | {"service": "", "period": "day", field: value}

    assert alice_client.post(address("add_budget"), sent).status_code == 400
    assert not Budget.objects.exists()


def test_a_viewer_sees_budgets_and_another_customer_nothing(acme, alice, alice_client, bob_client):
    one = budget(acme)
    assert bob_client.get(address("customer_budgets")).status_code == 404
    assert bob_client.post(address("remove_budget", one.pk)).status_code == 404
    alice.memberships.update(role=MemberRole.VIEWER)

    assert "1.00" in alice_client.get(address("customer_budgets")).content.decode()
    assert alice_client.post(address("edit_budget", one.pk), TERMS).status_code == 403
