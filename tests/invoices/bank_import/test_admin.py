"""Staff upload a bank's file, see what would be booked, choose, and book exactly what they saw."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from invoices.account.transactions import balance_of
from invoices.models import AccountTransaction, BankImport
from tests.browsing import fields_of
from tests.invoices.bank_import.files import CHINESE, GERMAN
from tests.invoices.browsing import staff_client, text
from tests.translations.pages import english_on

pytestmark = pytest.mark.django_db

URL = "/admin/bank-import"


def uploaded(client, content=CHINESE, written_in="gb18030", headers=None, **fields):
    file = SimpleUploadedFile("十一月", content.encode(written_in))
    return client.post(URL, {"file": file, **fields}, headers=headers)


def test_a_file_is_shown_first_then_booked_as_it_was_shown(operator_client, acme):
    page = uploaded(operator_client)
    assert "1 to be booked, 1 no customer found, 1 outgoing, 1 cannot be read" in text(page)
    assert "Book 1 payment, 88.00 RMB" in text(page)
    assert not AccountTransaction.objects.exists()

    answer = operator_client.post(URL, {**fields_of(page), "book": "1"})
    assert answer.url == reverse("admin:invoices_bankimport_change", args=[BankImport.objects.get().pk])
    assert balance_of(acme) == 88
    assert "5: acme 90003 支付acme账单 转账" in text(operator_client.get(answer.url))


def test_a_choice_is_shown_before_it_is_booked(operator_client, acme, globex):
    fields = fields_of(uploaded(operator_client)) | {"customer-3": "globex", "book": "1"}

    page = operator_client.post(URL, fields)
    assert "Nothing is booked yet" in text(page)
    assert "Book 2 payments, 12,433.60 RMB" in text(page)
    operator_client.post(URL, {**fields_of(page), "book": "1"})
    assert str(balance_of(globex)) == "12345.60"


def test_columns_that_were_taken_for_others_are_corrected(operator_client, acme):
    lines = "when;what;how much\n03/11/2026;for acme;1.000,00\n"
    page = uploaded(operator_client, lines, "utf-8")
    assert "No booking is recognised" in text(page)

    chosen = {"date": "0", "text": "1", "amount": "2", "decimal_sign": ",", "date_order": "month"}
    page = operator_client.post(URL, {**fields_of(page), **chosen, "read": "1"})
    assert "2026-03-11 1,000.00 for acme to be booked" in text(page)


def test_a_column_cannot_be_two_things(operator_client):
    fields = fields_of(uploaded(operator_client, GERMAN, "cp1252"))

    page = operator_client.post(URL, {**fields, "payer": fields["text"], "read": "1"})
    assert "A column has two meanings." in text(page)


def test_a_preview_is_that_of_one_person(operator_client, acme):
    fields = fields_of(uploaded(operator_client)) | {"book": "1"}

    answer = staff_client("add_accounttransaction").post(URL, fields, follow=True)
    assert "This preview has expired" in text(answer)
    assert not AccountTransaction.objects.exists()


def test_the_encoding_can_be_chosen(operator_client, acme):
    page = uploaded(operator_client, GERMAN, "utf-8", encoding="cp1252")

    assert "BÃ¼roservice MÃ¼ller" in text(page)


def test_a_preview_is_in_chinese(operator_client, acme):
    page = uploaded(operator_client, headers={"Accept-Language": "zh-CN"})

    assert english_on(page.content.decode()) == []


def test_only_who_may_book_imports(acme):
    client = staff_client("view_accounttransaction", "view_bankimport")

    assert client.get(URL).status_code == 403
    assert uploaded(client).status_code == 403
    assert "Import a bank's file" not in text(client.get(reverse("admin:invoices_bankimport_changelist")))
