"""A statement is read, printed and downloaded as it was issued, by its customer's people alone."""

from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.models import Customer
from invoices.models import Statement
from tests.builders import close, record, report
from tests.invoices.browsing import text
from tests.invoices.documents.builders import number, pdf_text, sheets
from tests.invoices.statements.builders import issue_statement
from tests.packages import buy

pytestmark = pytest.mark.django_db


@pytest.fixture
def statement(acme):
    """A package and an hour, issued."""
    buy(acme)
    record(report(service="SenseChat-Turbo"))
    close()
    return issue_statement(acme)


def opened(client, kind="statement"):
    return client.get(reverse(kind, args=[Statement.objects.get().number]))


def test_the_page_says_what_is_to_be_paid_and_for_what(alice_client, statement):
    page = text(opened(alice_client))

    assert f"Statement {statement.number}" in page
    assert f"Payable, truncated to 0.01 RMB {statement.payable}" in page
    assert "SenseChat-5 1M 30.00" in page
    assert f"Packages and credits RMB {statement.purchases_amount}" in page


def test_names_are_those_of_the_day_on_which_it_was_issued(alice_client, statement):
    Customer.objects.update(legal_name="Renamed Ltd.")

    assert "Renamed Ltd." not in text(opened(alice_client))


def test_pdf_workbook_and_page_come_to_the_same(alice_client, statement):
    pdf = " ".join(pdf_text(opened(alice_client, "statement_pdf")))
    read = sheets(opened(alice_client, "statement_xlsx"))

    facts = {row["field"]: row["value"] for row in read["Summary"]}
    assert number(facts["payable_rmb"]) == statement.payable
    assert facts["statement"] == statement.number
    lines = sum(number(row["amount_rmb"]) for row in read["Line items"])
    others = sum(number(row["amount_rmb"]) for row in read["Packages and credits"])
    assert lines + others == statement.amount
    assert f"{statement.payable}" in pdf


def test_the_csv_has_the_lines_of_its_bills(alice_client, statement):
    file = opened(alice_client, "statement_csv").getvalue().decode("utf-8-sig")

    assert len(file.splitlines()) == 1 + 2
    assert "SenseChat-Turbo" in file


def test_a_corrected_statement_names_the_one_that_it_supersedes(alice_client, statement, operator_client):
    Customer.objects.update(legal_name="Acme Ltd.")
    correct = reverse("admin:invoices_statement_correct", args=[statement.pk])

    answer = operator_client.post(correct, {"reason": "The name was missing."}, follow=True)

    later = Statement.objects.get(corrects=statement)
    assert f"{later.number} is issued and supersedes {statement.number}." in text(answer)
    assert f"Supersedes {statement.number}" in text(
        alice_client.get(reverse("statement", args=[later.number]))
    )


def test_a_statement_that_would_be_the_same_is_not_issued_again(statement, operator_client):
    correct = reverse("admin:invoices_statement_correct", args=[statement.pk])

    answer = operator_client.post(correct, {"reason": "Again."})

    assert answer.status_code == 400
    assert "It names the parties as they are" in text(answer)


def test_the_admin_lists_statements_with_what_is_payable(statement, operator_client):
    page = text(operator_client.get(reverse("admin:invoices_statement_changelist")))

    assert statement.number in page
    assert f"{statement.payable:,.2f}" in page
    assert statement.payable == Decimal("30.00") + statement.usage_amount.quantize(
        Decimal("0.01"), "ROUND_DOWN"
    )
