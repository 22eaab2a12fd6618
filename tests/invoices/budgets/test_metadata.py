"""Budgets of calls with a value in their metadata: a project, an end user, an API key."""

from decimal import Decimal

import pytest

from accounts.api_keys.keys import issue_service_key
from accounts.models import Scope
from invoices.budgets.refresh import refresh_budgets
from invoices.usage_report.metadata import sum_up_closed_hours
from sensenova_billing.lib import clock
from tests.builders import at, close, record, report
from tests.invoices.budgets.builders import ask, budget, gateway, use_of
from tests.packages import buy, tokens_product
from usage.limits.errors import BudgetExhausted

pytestmark = pytest.mark.django_db


def of_project(customer, amount="1.00", *, value="search", name="project", **terms):
    """A budget of a value in the metadata of calls."""
    return budget(customer, amount, metadata_name=name, metadata_value=value, **terms)


def call(event_id, minute=11, **metadata):
    """A call of 1,000 tokens in and 500 out to SenseChat-5, which costs 0.04 + 0.05 RMB."""
    record(report(event_id, occurred_at=at(minute), metadata=metadata), now=at(minute))


def test_it_stops_only_calls_that_name_its_value_and_the_answer_names_it(acme):
    search, key = of_project(acme, "0.40"), gateway()
    of_key = of_project(acme, "0.20", name="api_key", value="team-a", period="month")
    ask(key, "call-1", project="search", api_key="team-a")
    ask(key, "call-2", project="search")

    with pytest.raises(BudgetExhausted) as refusal:
        ask(key, "call-3", project="search")
    assert refusal.value.details[0].items() >= {
        "budget": search.pk, "metadata": {"project": "search"}, "cap": "0.40", "reserved": "0.4"
    }.items()  # fmt: skip
    with pytest.raises(BudgetExhausted, match="with api_key team-a"):
        ask(key, "call-3", api_key="team-a")
    ask(key, "call-3", project="other")
    ask(key, "call-4")
    assert use_of(of_key).held == Decimal("0.2")


def test_the_running_hour_closed_hours_and_those_not_summed_up_yet_count(acme, globex):
    daily = of_project(acme, period="day", is_cap=False, now=at(5))
    every, other = (of_project(one, value="ads", period="day", now=at(5)) for one in (acme, globex))
    for number, project in enumerate(["search", "search", "ads", ""]):
        call(f"call-{number}", project=project)
    refresh_budgets(now=at(12))
    assert (use_of(daily).used, use_of(every).used, use_of(other).used) == (
        Decimal("0.18"),
        Decimal("0.09"),
        Decimal(0),
    )
    close()
    refresh_budgets(now=at(66))
    assert use_of(daily).used == Decimal("0.18")
    sum_up_closed_hours(now=at(67))
    call("call-5", minute=68, project="search")
    refresh_budgets(now=at(69))

    assert (use_of(daily).used, use_of(daily).billed) == (Decimal("0.27"), Decimal("0.18"))


def test_where_a_package_covers_calls_no_more_counts_than_is_charged(acme):
    buy(acme, tokens_product(tokens=2000))
    red, blue = (of_project(acme, value=one, period="day", now=at(5)) for one in ("red", "blue"))
    call("call-1", minute=40, project="red")
    refresh_budgets(now=at(41))
    assert use_of(red).used == 0
    call("call-2", minute=42, project="blue")  # the package runs out in it
    refresh_budgets(now=at(43))
    charged = use_of(blue).used
    assert Decimal("0.09") > charged > 0
    close()
    for minute in (66, 67):
        refresh_budgets(now=at(minute))
        sum_up_closed_hours(now=at(minute))

    assert (use_of(red).used, use_of(blue).used) == (Decimal(0), charged)


def test_calls_without_metadata_at_admission_count_once_their_usage_is_reported(acme):
    hourly, key, now = of_project(acme, "0.10"), gateway(), clock.now()
    ask(key, "call-1", now=now)
    assert not hourly.uses.get().held
    record(report("call-1", occurred_at=now, metadata={"project": "search"}), now=now)
    refresh_budgets(now=now)

    with pytest.raises(BudgetExhausted):
        ask(key, "call-2", project="search", now=now)


@pytest.mark.parametrize(
    "metadata", [{"": "x"}, {"a": 1}, {"a\n": "x"}, {"a": "x" * 256}, {str(n): "" for n in range(17)}]
)
def test_metadata_at_admission_has_the_bounds_of_usage(acme, client, metadata):
    _, secret = issue_service_key(name="http", scopes=[Scope.CALLS_ADMIT])
    answer = client.post(
        "/api/v1/calls",
        {"customer": "acme", "service": "SenseChat-5", "estimated_tokens": 1, "metadata": metadata},
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}"},
    )

    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["field"] == "metadata"
