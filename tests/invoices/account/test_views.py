"""The account reads like a bank statement; staff book on it and reverse what was wrong."""

import csv
import datetime as dt
import re
from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.models import Role, User
from invoices.account import account_page, views
from invoices.account.transactions import balance_of
from invoices.models import AccountTransaction, TransactionKind
from invoices.statements.issue import issue_due_statements
from tests.builders import close, record, report
from tests.invoices.browsing import text
from tests.invoices.documents.builders import bill_hours
from tests.invoices.statements.builders import booked, issue_statement
from tests.querying import statements

pytestmark = pytest.mark.django_db

ADD = "admin:invoices_accounttransaction_add"
FORM = {
    **{"customer": "acme", "kind": "payment", "amount": "12.50", "value_date": "2026-03-05"},
    **{"reference": "TRF 1", "reason": "", "key": "one"},
}


def page(client, query="", code="acme"):
    return client.get(reverse("customer_account", args=[code]) + query)


def test_an_account_without_transactions_says_what_will_be_there(alice_client, acme):
    shown = text(page(alice_client))

    assert "There is no statement yet" in shown
    assert "Nothing is booked yet." in shown


def test_each_transaction_has_the_balance_after_it(alice_client, acme):
    record(report(input_tokens=1_000_000))
    close()
    statement = issue_statement(acme)
    booked(acme, amount=statement.payable)
    booked(acme, TransactionKind.CREDIT, "5")

    shown = text(page(alice_client))

    assert f"Statement {statement.number} {statement.payable:,.2f} – -{statement.payable:,.2f}" in shown
    assert f"Payment TRF 4711 – {statement.payable:,.2f} 0.00" in shown
    assert "Credit TRF 4711 Agreed. – 5.00 5.00" in shown
    assert "RMB 5.00 paid ahead" in shown


def test_a_balance_goes_on_over_pages(alice_client, acme, monkeypatch):
    monkeypatch.setattr(account_page, "TRANSACTIONS_A_PAGE", 2)
    for number in range(1, 6):
        booked(acme, reference=f"TRF {number}")
    newest = page(alice_client)

    older = text(page(alice_client, f"?older_than={newest.context['page'].older_than}"))

    assert "TRF 3 – 100.00 300.00" in older
    assert "TRF 4" not in older


def test_older_statements_are_on_pages_of_their_own(alice_client, acme, monkeypatch):
    monkeypatch.setattr(views, "STATEMENTS_SHOWN", 2)
    monkeypatch.setattr(views, "STATEMENTS_A_PAGE", 3)
    bill_hours(acme, *(dt.datetime(2026, month, 15, tzinfo=dt.UTC) for month in range(1, 6)))
    issue_due_statements(now=dt.datetime(2026, 6, 2, tzinfo=dt.UTC))

    account, every = page(alice_client), reverse("customer_statements", args=["acme"])
    newest = alice_client.get(every)
    older = alice_client.get(f"{every}?older_than={newest.context['page'].older_than}")

    assert "All statements" in text(account)
    shown = [[one.sequence for one in each.context["statements"]] for each in (account, newest, older)]
    assert shown == [[4, 3], [4, 3, 2], [1]]


def test_a_page_below_an_entry_of_the_navigation_marks_that_entry_alone(alice_client, acme):
    shown = alice_client.get(reverse("customer_statements", args=["acme"])).content.decode()

    marked = re.findall(r'<a href="([^"]+)" aria-current="true">', shown)
    assert set(marked) == {reverse("customer_account", args=["acme"])}  # beside the page and in its menu
    assert 'aria-current="page"' not in shown


def test_the_file_has_every_transaction_and_ends_with_the_balance(alice_client, acme):
    booked(acme)
    booked(acme, TransactionKind.REFUND, "40")

    answer = alice_client.get(reverse("customer_account_csv", args=["acme"]))

    rows = list(csv.DictReader(answer.getvalue().decode("utf-8-sig").splitlines()))
    assert [(row["kind"], row["amount_rmb"]) for row in rows] == [("payment", "100"), ("refund", "-40")]
    assert Decimal(rows[-1]["balance_rmb"]) == balance_of(acme) == 60


def test_an_address_that_names_no_page_shows_the_newest(alice_client, acme):
    booked(acme)

    assert "The address names a page that does not exist" in text(page(alice_client, "?older_than=x"))


def test_a_page_takes_as_many_statements_for_more_transactions(alice_client, acme):
    booked(acme)
    with statements() as few:
        page(alice_client)
    for _ in range(20):
        booked(acme)
    with statements() as many:
        page(alice_client)

    assert len(many) == len(few) <= 12


# --- Staff -----------------------------------------------------------------------------------------


def test_staff_book_a_payment_once_however_often_it_is_sent(operator_client, acme):
    answers = [operator_client.post(reverse(ADD), FORM, follow=True) for _ in range(2)]

    assert "Booked for acme: payment TRF 1." in text(answers[1])
    assert (AccountTransaction.objects.count(), balance_of(acme)) == (1, Decimal("12.50"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "refund"}, "Say why; the customer reads it."),
        ({"kind": "refund", "reason": "Closed."}, "Nothing was booked. Only 0.00 RMB are paid ahead."),
        ({"customer": "nobody"}, "No customer has this code."),
        ({"amount": "0"}, "The amount must be more than 0"),
        ({"amount": "1_0"}, "Give digits, with a point before the decimals"),
        ({"amount": "0.001"}, "2 decimal places"),
        ({"kind": "statement"}, "Select a valid choice"),
        ({"value_date": "5.3.2026"}, "Enter a valid date"),
    ],
)
def test_what_cannot_be_booked_is_said_and_nothing_is_booked(operator_client, acme, changes, words):
    answer = operator_client.post(reverse(ADD), FORM | changes)

    assert answer.status_code == 400
    assert words in text(answer)
    assert not AccountTransaction.objects.exists()


def test_staff_reverse_what_was_booked_in_error(operator_client, alice_client, acme):
    wrong = booked(acme)
    reverse_page = reverse("admin:invoices_accounttransaction_reverse", args=[wrong.pk])

    operator_client.post(reverse_page, {"reason": "It was another customer's."})

    assert balance_of(acme) == 0
    assert "payment, reversed TRF 4711 It was another customer's. 100.00 – 0.00" in text(page(alice_client))


def test_people_who_only_look_book_nothing(client, acme):
    viewer = User.objects.create_user("viewer@sensenova.example", is_staff=True, role=Role.VIEWER)
    client.force_login(viewer, backend="django.contrib.auth.backends.ModelBackend")

    answer = client.post(reverse(ADD), FORM)

    assert answer.status_code == 403
    assert not AccountTransaction.objects.exists()


def test_the_admin_shows_both_sides(operator_client, acme):
    one = booked(acme)

    shown = text(operator_client.get(reverse("admin:invoices_accounttransaction_change", args=[one.pk])))

    assert "owed by the customer -100.00; bank 100.00" in shown
