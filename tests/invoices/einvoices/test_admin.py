"""Staff export requests for issuing, and record what was issued; the files hold text, and add up."""

import io
import zipfile
from decimal import Decimal

import pytest
from django.urls import reverse
from openpyxl import load_workbook

from invoices.einvoices.china import BASIC, BASIC_COLUMNS, DETAIL
from invoices.einvoices.requests import withdraw_einvoice
from tests.builders import at
from tests.invoices.browsing import csv_rows, staff_client, text
from tests.invoices.einvoices.builders import (
    ALICE,
    ISSUED_ON,
    NUMBER,
    USCC,
    issued,
    requested,
    reversed_,
    stated,
    with_tax_data,
)

pytestmark = pytest.mark.django_db

LIST = reverse("admin:invoices_einvoicerequest_changelist")
FORMULA = "=HYPERLINK(1)"


@pytest.fixture(autouse=True)
def seller(settings):
    settings.SELLER_TAX_ID = USCC


@pytest.fixture
def buyer(acme):
    return with_tax_data(
        acme, bank_name="中国工商银行", bank_account="0200001", phone="021-1", address=FORMULA
    )


def exported(client, name, *requests, follow=False):
    chosen = [one.pk for one in requests]
    return client.post(LIST, {"action": name, "_selected_action": chosen}, follow=follow)


def deed(request, name):
    return reverse(f"admin:invoices_einvoicerequest_{name}", args=[request.pk])


def sheet(answer, name):
    """The rows of a sheet, as lists of pairs: some heads stand several times."""
    head, *rows = load_workbook(io.BytesIO(answer.content))[name].iter_rows()
    assert all(cell.data_type == "s" for row in rows for cell in row if cell.value is not None)
    return [
        dict(zip([cell.value for cell in head], [cell.value for cell in row], strict=True)) for row in rows
    ]


def test_the_workbook_has_the_columns_of_the_template_and_text_in_each_cell(operator_client, buyer):
    one = requested(buyer, stated(buyer), stated(buyer, 4, "0.53"), remarks="=1+1")
    other = requested(with_tax_data(buyer, tax_id="", invoice_kind="ordinary"), stated(buyer, 5))

    answer = exported(operator_client, "export_template", one, other)

    first, second = sheet(answer, BASIC)
    assert len(BASIC_COLUMNS) == 39
    assert (first["发票流水号"], first["发票类型"], first["是否含税"]) == (one.number, "增值税专用发票", "是")
    assert (first["购买方地址"], first["备注"], first["受票方自然人标识"]) == (FORMULA, "=1+1", "否")
    assert first["是否展示购买方地址电话银行账号"] == "展示地址、电话、开户银行及银行账号"
    assert (second["发票类型"], second["受票方自然人标识"]) == ("普通发票", "是")
    lines = [row for row in sheet(answer, DETAIL) if row["发票流水号"] == one.number]
    assert [(row["数量"], row["单价"], row["金额"], row["税率"]) for row in lines] == [
        ("1", "106.00", "106.00", "0.06"),
        ("1", "0.53", "0.53", "0.06"),
    ]
    assert sum(Decimal(row["金额"]) for row in lines) == one.payable


def test_the_csv_has_net_and_tax_of_each_line_and_no_formula(operator_client, buyer):
    made = requested(buyer, stated(buyer), stated(buyer, 4, "0.53"), remarks="=1+1")

    rows = csv_rows(_streamed(exported(operator_client, "export_lines", made)))

    assert [(row["金额"], row["税额"], row["价税合计"]) for row in rows] == [
        ("100.00", "6.00", "106.00"),
        ("0.50", "0.03", "0.53"),
    ]
    assert (rows[0]["购买方地址"], rows[0]["备注"], rows[0]["购买方银行账号"]) == (
        f"'{FORMULA}",
        "'=1+1",
        "0200001",
    )
    assert rows[0]["商品和服务税收编码"] == "3040203000000000000"


def _streamed(answer):
    answer.getvalue = lambda: answer.content
    return answer


def test_what_is_not_to_be_issued_in_china_is_not_exported_for_it(operator_client, buyer):
    fine, gone = requested(buyer), requested(buyer, stated(buyer, 4))
    withdraw_einvoice(request=gone, by=ALICE, now=at(6))
    abroad = requested(
        with_tax_data(buyer, country="DE", tax_id="DE136695976", invoice_kind="ubl"), stated(buyer, 5)
    )
    done = issued(requested(with_tax_data(buyer), stated(buyer, 6)))

    page = text(exported(operator_client, "export_template", fine, gone, abroad, done, follow=True))

    assert f"Nothing was exported because of {gone.number}, {abroad.number}, {done.number}." in page


def test_ubl_is_one_file_or_an_archive(operator_client, buyer, settings):
    one, other = requested(buyer), requested(buyer, stated(buyer, 4))

    alone, both = (
        exported(operator_client, "export_ubl", one),
        exported(operator_client, "export_ubl", one, other),
    )

    assert alone.content.startswith(b"<?xml")
    with zipfile.ZipFile(io.BytesIO(both.content)) as archive:
        assert archive.namelist() == [f"{one.number}.xml", f"{other.number}.xml"]
        assert archive.read(f"{one.number}.xml") == alone.content
    settings.SELLER_TAX_ID = ""
    assert "SELLER_TAX_ID is empty" in text(exported(operator_client, "export_ubl", one, follow=True))


def test_one_that_is_reversed_is_exported_with_its_credit_note(operator_client, buyer):
    made = reversed_(issued(requested(buyer)))

    with zipfile.ZipFile(io.BytesIO(exported(operator_client, "export_ubl", made).content)) as archive:
        assert archive.namelist() == [f"{made.number}.xml", f"{made.number}-credit-note.xml"]


def test_the_number_of_the_invoice_is_recorded_and_later_the_one_that_reverses_it(operator_client, buyer):
    made = requested(buyer)
    assert "1 e-invoice waits to be issued" in text(operator_client.get(reverse("admin:index")))

    wrong = operator_client.post(deed(made, "record"), {"number": "12", "date": f"{ISSUED_ON}"})
    assert (wrong.status_code, "has 20 digits" in text(wrong)) == (400, True)
    operator_client.post(deed(made, "record"), {"number": NUMBER, "date": "2026-11-05"})
    made.refresh_from_db()
    assert (made.state, made.invoice_number, made.decided_by) == (
        "issued",
        NUMBER,
        "operator@sensenova.example",
    )
    form = {"number": "1" * 20, "date": "2026-11-06", "reason": "Wrong name."}
    assert f"{made.number} is changed." in text(
        operator_client.post(deed(made, "red_letter"), form, follow=True)
    )
    made.refresh_from_db()
    assert (made.state, made.red_number, made.red_reason) == ("reversed", "1" * 20, "Wrong name.")


def test_a_day_that_has_not_come_is_refused(operator_client, buyer):
    form = {"number": NUMBER, "date": "2199-01-01"}

    assert "has not come yet" in text(operator_client.post(deed(requested(buyer), "record"), form))


def test_a_refusal_needs_a_reason(operator_client, buyer):
    made = requested(buyer)

    assert operator_client.post(deed(made, "refuse"), {"reason": ""}).status_code == 400
    operator_client.post(deed(made, "refuse"), {"reason": "Not registered."})
    made.refresh_from_db()
    assert (made.state, made.refusal) == ("refused", "Not registered.")
    assert operator_client.get(deed(made, "record")).status_code == 403


def test_people_who_only_look_export_and_record_nothing(buyer):
    made = requested(buyer)
    client = staff_client("view_einvoicerequest")

    assert exported(client, "export_lines", made).headers["Content-Type"].startswith("text/csv")
    assert client.post(deed(made, "record"), {"number": NUMBER, "date": "2026-11-05"}).status_code == 403
