"""Closed hours, summed up by the metadata of their calls."""

import datetime as dt
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from invoices.corrections.rerate import order_rerating
from invoices.models import ChargeLine, HourlyBill, MetadataUsage
from invoices.usage_report.metadata import sum_up_closed_hours
from invoices.usage_report.read import read_usage
from invoices.usage_report.spans import Span, Width
from tests.builders import THE_HOUR, at, close, price, record, report
from tests.invoices.budgets.builders import budget
from tests.packages import buy, tokens_product
from usage.ingest.reversals import reverse_record

pytestmark = pytest.mark.django_db

SHANGHAI = ZoneInfo("Asia/Shanghai")
TODAY = THE_HOUR.astimezone(SHANGHAI).date()
DAY = dt.timedelta(days=1)


def use(event_id, project=None, minute=10, **fields):
    metadata = {"project": project} if project else None
    record(report(event_id, occurred_at=at(minute), metadata=metadata, **fields), now=at(max(minute, 61)))


def by_project(customer, *, now=None):
    """Calls, tokens and amount of each project; None is not set."""
    span = Span.of_days(TODAY - DAY, TODAY + DAY, width=Width.MONTH, zone=SHANGHAI)
    usage = read_usage(customer=customer, span=span, group_by="project", now=now or at(70))
    found: dict[Any, Any] = {}
    for row in usage.rows:
        key = "open" if row.group.is_open else row.group.value
        calls, tokens, amount = found.get(key, (0, 0, 0))
        found[key] = (calls + row.calls, tokens + row.quantities["tokens"], amount + row.amount)
    return found


def billed():
    return sum(bill.amount for bill in HourlyBill.objects.all())


def test_each_value_has_its_calls_at_the_prices_of_the_lines(acme):
    use("1", "red"), use("2", "red"), use("3", "blue", input_tokens=7), use("4")
    close()

    assert sum_up_closed_hours(now=at(66)) == 1

    assert by_project(acme) == {
        "red": (2, 3000, Decimal("0.18")),
        "blue": (1, 507, Decimal("0.05028")),
        None: (1, 1500, Decimal("0.09")),
    }
    assert sum(amount for *_, amount in by_project(acme).values()) == billed()


def test_an_hour_is_summed_up_once(acme):
    use("1", "red")
    close()
    sum_up_closed_hours(now=at(66))

    assert sum_up_closed_hours(now=at(67)) == 0
    assert MetadataUsage.objects.count() == ChargeLine.objects.count()


def test_before_it_is_summed_up_everything_is_not_set_and_open_hours_stand_apart(acme):
    use("1", "red")
    close()
    use("2", "red", minute=70)

    assert by_project(acme, now=at(80)) == {
        None: (1, 1500, Decimal("0.09")),
        "open": (1, 1500, Decimal("0.09")),
    }


def test_calls_of_one_hour_at_two_prices_have_each_its_own(acme):
    price("SenseChat-5", "output_tokens", "0.2", begins_at=at(30), customer=acme)
    use("1", "red", minute=10), use("2", "red", minute=40), use("3", "blue", minute=41)
    close()

    sum_up_closed_hours(now=at(66))

    assert by_project(acme)["blue"] == (1, 1500, Decimal("0.14"))
    assert by_project(acme)["red"] == (2, 3000, Decimal("0.23"))
    assert None not in by_project(acme)


def test_late_calls_count_in_their_billing_hour(acme):
    use("1", "red")
    close()
    use("2", "red", minute=20)
    close(hour=1)

    sum_up_closed_hours(now=at(130))

    shares = MetadataUsage.objects.filter(hour=at(60), value="red")
    assert [share.amount for share in shares.order_by("billing_item")] == [Decimal("0.04"), Decimal("0.05")]
    assert by_project(acme, now=at(130)) == {"red": (2, 3000, Decimal("0.18"))}


def test_a_reversal_takes_from_the_value_of_what_it_reverses(acme):
    use("1", "red"), use("2", "blue")
    close()
    reverse_record(customer=acme, event_id="1", reason="sent twice", by="operator", now=at(70))
    close(hour=1)

    sum_up_closed_hours(now=at(130))

    found = by_project(acme, now=at(130))
    assert found["red"] == (1, 0, 0)
    assert found["blue"] == (1, 1500, Decimal("0.09"))
    assert billed() == Decimal("0.09")


def test_a_rerating_is_shared_as_the_line_that_it_corrects(acme):
    use("1", "red"), use("2", "red"), use("3", "blue")
    close()
    line = ChargeLine.objects.get(measure="output_tokens")
    order_rerating(
        price=line.price,
        from_hour=at(0),
        until_hour=at(60),
        unit_price=Decimal("0.05"),
        reason="agreed",
        by="operator",
        now=at(70),
    )
    close(hour=1)

    sum_up_closed_hours(now=at(130))

    found = by_project(acme, now=at(130))
    assert (found["red"][2], found["blue"][2]) == (Decimal("0.13"), Decimal("0.065"))
    assert found["red"][2] + found["blue"][2] == billed()


def test_where_a_package_runs_out_each_value_has_what_is_charged_for_it(acme):
    buy(acme, tokens_product(tokens=2000))
    use("1", "red", minute=40), use("2", "blue", minute=41)
    close()

    sum_up_closed_hours(now=at(66))

    found = by_project(acme)
    assert found["red"][2] == 0
    assert found["blue"][1:] == (1500, billed())
    assert billed() > 0


def test_the_largest_of_many_values_are_told_apart(acme, monkeypatch):
    monkeypatch.setattr("invoices.usage_report.metadata.MOST_VALUES", 1)
    use("1", "red"), use("2", "blue", input_tokens=7, output_tokens=3)
    close()

    sum_up_closed_hours(now=at(66))

    assert by_project(acme)[""] == (1, 10, Decimal("0.00058"))


def test_of_many_values_those_with_a_budget_are_told_apart_too(acme, monkeypatch):
    monkeypatch.setattr("invoices.usage_report.metadata.MOST_VALUES", 1)
    budget(acme, metadata_name="project", metadata_value="blue", now=at(5))
    use("1", "red"), use("2", "blue", input_tokens=7, output_tokens=3)
    close()

    sum_up_closed_hours(now=at(66))

    assert by_project(acme)["blue"] == (1, 10, Decimal("0.00058"))


def test_another_customers_values_are_not_there(acme, globex):
    use("1", "red"), use("1", "green", customer="globex")
    close()

    sum_up_closed_hours(now=at(66))

    assert set(by_project(acme)) == {"red"}
