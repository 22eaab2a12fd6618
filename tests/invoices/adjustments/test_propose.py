"""Credits and charges by hand: exact, approved by a second person where large, on the next statement."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import AuditEntry
from invoices.adjustments.basis import Basis
from invoices.adjustments.propose import AdjustmentRefused, compute, decide_adjustment
from invoices.books.verify import verify_books
from invoices.models import Adjustment, AdjustmentKind
from invoices.statements.focus import FOCUS_COLUMNS, focus_rows
from pricing.models import Decision, Service
from pricing.rules.amounts import exact_sum
from tests.builders import THE_HOUR, at, close, commit, record, report
from tests.invoices.adjustments.builders import PAT, SAM, proposed
from tests.invoices.statements.builders import issue_statement
from usage.models import HOUR

pytestmark = pytest.mark.django_db


@pytest.fixture
def billed(acme):
    """An hour of two services, which is closed."""
    record(report(input_tokens=7), report("2", service="SenseChat"))
    close()
    return acme


def hour_of(customer, service=None):
    chosen = Service.objects.get(name=service) if service else None
    return Basis(customer, begins_at=THE_HOUR, ends_at=THE_HOUR + HOUR, service=chosen)


def test_a_percentage_is_exact_and_of_a_service_alone_if_it_names_one(billed):
    whole, part = hour_of(billed).charged(), hour_of(billed, "SenseChat").charged()

    assert 0 < part < whole == billed.hourly_bills.get().amount
    assert proposed(hour_of(billed, "SenseChat"), percent="33.33").amount == part * Decimal("0.3333")
    assert compute(basis=hour_of(billed), amount=None, percent=Decimal(7)).amount == whole * Decimal("0.07")


def test_an_approved_credit_is_on_the_next_statement_and_the_books_agree(billed):
    credit = proposed(hour_of(billed), percent="33.33")
    proposed(Basis(billed), "0.50", key="2", kind=AdjustmentKind.CHARGE)

    statement = issue_statement(billed)
    commit()

    assert statement.adjustments_amount == Decimal("0.50") - credit.amount
    assert statement.amount == statement.usage_amount + statement.adjustments_amount
    costs: Any = [row[FOCUS_COLUMNS.index("BilledCost")] for row in focus_rows(statement)]
    assert exact_sum(costs) == statement.payable
    assert not [one for one in verify_books().findings.first if one.what == "statement"]


def test_no_more_is_credited_than_was_charged_unless_it_says_so(billed):
    charged = hour_of(billed).charged()
    proposed(hour_of(billed), percent="60")

    with pytest.raises(AdjustmentRefused, match="charged and not credited"):
        proposed(hour_of(billed), percent="40.01", key="2")
    with pytest.raises(AdjustmentRefused, match="charged and not credited"):
        proposed(Basis(billed), "1000", key="2")
    assert not proposed(hour_of(billed), percent="40", key="3").is_beyond_charges

    beyond = proposed(Basis(billed), "1000", key="4", is_beyond_charges=True)

    assert (beyond.is_beyond_charges, beyond.charged) == (True, charged)
    assert beyond.creditable == 0
    assert AuditEntry.objects.latest("pk").reason == "It was slow. (more than was charged)"


def test_of_a_statement_its_payable_is_charged_once(billed, globex):
    statement = issue_statement(billed)
    basis = Basis(billed, statement=statement)

    assert proposed(basis, percent="100").amount == statement.payable
    with pytest.raises(AdjustmentRefused, match="Only 0 RMB"):
        proposed(basis, "0.01", key="2")


def test_a_large_one_waits_for_a_second_person_and_is_on_no_statement_before(billed, settings):
    settings.CREDIT_APPROVAL_ABOVE = Decimal("0.01")
    waits = proposed(hour_of(billed), "0.02")
    small = proposed(hour_of(billed), "0.01", key="2")

    assert (waits.decision, small.decision) == (Decision.NONE, Decision.APPROVED)
    with pytest.raises(AdjustmentRefused, match="another person"):
        decide_adjustment(adjustment=waits, decision=Decision.APPROVED, by=PAT, now=at(71))
    assert issue_statement(billed).adjustments_amount == -small.amount


def test_what_was_refused_stays_and_may_be_credited_otherwise(billed, settings):
    settings.CREDIT_APPROVAL_ABOVE = Decimal(0)
    refused = proposed(hour_of(billed), percent="100")
    decide_adjustment(adjustment=refused, decision=Decision.REFUSED, by=SAM, now=at(71))

    again = proposed(hour_of(billed), percent="100", key="2")
    decide_adjustment(adjustment=again, decision=Decision.APPROVED, by=SAM, now=at(72))

    assert [one.decision for one in Adjustment.objects.order_by("pk")] == ["refused", "approved"]
    with pytest.raises(AdjustmentRefused, match="already"):
        decide_adjustment(adjustment=again, decision=Decision.REFUSED, by=SAM, now=at(73))


def test_the_same_key_is_one(billed):
    assert proposed(hour_of(billed), percent="1") == proposed(hour_of(billed), percent="1")
    assert Adjustment.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"decided_by": PAT}, "a_large_adjustment_is_approved_by_a_second_person"),
        ({"amount": Decimal("9")}, "no_more_is_credited_than_was_charged_unless_it_says_so"),
        ({"percent": Decimal("9")}, "a_percentage_is_exactly_that_of_what_was_charged"),
        ({"reason": ""}, "an_adjustment_has_a_reason"),
    ],
)
def test_the_database_keeps_the_rules(billed, change, rule):
    values = {"customer": billed, "key": "1", "kind": "credit", "cause": "other", "reason": "Agreed."}
    values |= {"amount": Decimal("0.05"), "charged": Decimal("1"), "creditable": Decimal("1")}
    values |= {"begins_at": THE_HOUR, "ends_at": THE_HOUR + HOUR, "proposed_by": PAT, "proposed_at": at(1)}
    values |= {"decision": "approved", "decided_by": SAM, "decided_at": at(2), "approval_above": 0}
    Adjustment.objects.create(**values)

    with pytest.raises(IntegrityError, match=rule):
        Adjustment.objects.create(**values | {"key": "2"} | change)


@pytest.mark.parametrize("sql", ["UPDATE {} SET amount = 1", "DELETE FROM {}", "UPDATE {} SET decision = ''"])
def test_nothing_is_changed_but_decided_once(billed, sql):
    proposed(hour_of(billed), "0.01")

    with pytest.raises(IntegrityError, match="decided once"), transaction.atomic():
        connection.cursor().execute(sql.format("invoices_adjustment"))


def test_a_span_of_a_closing_is_that_of_the_statement(billed):
    later = Basis(billed, begins_at=THE_HOUR + HOUR, ends_at=THE_HOUR + dt.timedelta(days=1))

    assert later.charged() == 0
