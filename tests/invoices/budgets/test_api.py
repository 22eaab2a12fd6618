"""A program reads a customer's budgets, with a key that may."""

import pytest
from django.test import Client

from accounts.api_keys.keys import issue_service_key
from accounts.models import Scope
from invoices.budgets.refresh import refresh_budgets
from tests.builders import at, record
from tests.invoices.budgets.builders import budget
from tests.usage.limits.builders import service
from usage.models import BudgetUse

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """It is a quarter past THE_HOUR."""
    monkeypatch.setattr("invoices.budgets.api.clock.now", lambda: at(15))


def get(query, *, customers=None, scopes=(Scope.BILLING_READ,)):
    """Ask with a key that may read billing, of everybody or of some customers."""
    _, text = issue_service_key(name="books", scopes=scopes, customers=customers)
    return Client().get("/api/v1/budgets", query, headers={"Authorization": f"Bearer {text}"})


def text(minute):
    return f"{at(minute):%Y-%m-%dT%H:%M:%SZ}"


def test_each_budget_has_its_cap_what_is_used_and_reserved_and_its_window(acme):
    one = budget(acme, "0.10", now=at(5))
    record(now=at(11))
    refresh_budgets(now=at(12))
    BudgetUse.objects.update(held="0.004", stopped_at=at(13))

    (found,) = get({"customer": "acme"}).json()["budgets"]
    assert found == {
        "id": one.pk, "service": None, "metadata": None, "period": "hour", "cap": "0.10", "stops_calls": True,
        "alerts_at": [50, 80, 100], "begins_at": text(0), "resets_at": text(60),
        "used": "0.09", "reserved": "0.004", "remaining": "0.006", "as_of": text(12),
        "alerts_reached": [50, 80], "calls_refused_since": text(13), "currency": "CNY",
    }  # fmt: skip


def test_budgets_come_in_pages_and_a_window_that_just_began_is_not_used(acme):
    budget(acme, service=service(), now=at(-60))
    budget(acme, metadata_name="api_key", metadata_value="team-a", now=at(-60))
    first = get({"customer": "acme", "limit": "1"}).json()
    second = get({"customer": "acme", "limit": "1", "after": first["next"]}).json()

    assert [one["service"] for one in first["budgets"]] == ["SenseChat-5"]
    assert [one["metadata"] for one in second["budgets"]] == [{"api_key": "team-a"}]
    assert second["next"] is None
    assert (first["budgets"][0]["used"], first["budgets"][0]["as_of"]) == ("0", None)


def test_a_customers_own_key_reads_its_own_and_another_customer_sees_nothing(acme, globex):
    budget(acme, now=at(5))

    assert len(get({"customer": "acme"}, customers=[acme]).json()["budgets"]) == 1
    assert get({"customer": "globex"}, customers=[globex]).json()["budgets"] == []
    assert get({"customer": "acme"}, customers=[globex]).status_code == 404
    assert get({"customer": "acme"}, scopes=[Scope.CALLS_ADMIT]).status_code == 403
    assert get({"customer": "acme", "after": "0"}).status_code == 400
