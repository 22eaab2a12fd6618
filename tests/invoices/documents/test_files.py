"""The files of a month: opened, and their sums compared with the page."""

import csv
import shutil
import subprocess
from decimal import Decimal
from io import BytesIO

import pypdfium2
import pytest
from django.urls import reverse
from openpyxl import load_workbook

from invoices.drilldown import downloads
from invoices.models import ChargeLine, HourlyBill
from pricing.rules.amounts import plain
from tests.builders import THE_HOUR, at, close, record, report
from tests.invoices.browsing import csv_rows, text
from tests.invoices.documents.builders import (
    SHANGHAI,
    file_of,
    month_of,
    number,
    pdf_text,
    sheets,
    use_and_correct,
)

pytestmark = pytest.mark.django_db

KINDS = pytest.mark.parametrize("kind", ["csv", "xlsx", "pdf"])


@pytest.fixture
def corrected_month(acme, settings):
    """A month of Acme's with a correction, and the parties of its documents."""
    acme.legal_name, acme.tax_id = "上海港口书店有限公司", "91310000MA1FL0XX0X"
    acme.address = "上海市浦东新区世纪大道 100 号\n环球金融中心 20 楼"
    acme.save()
    settings.SELLER_NAME, settings.SELLER_TAX_ID = "商汤科技", "91310000SELLER0000"
    use_and_correct(acme)


def total():
    """What the bills of the month of THE_HOUR come to."""
    return sum(bill.amount for bill in HourlyBill.objects.all() if month_of(bill.hour_id) == month_of())


@KINDS
def test_a_file_is_named_after_the_customer_and_the_month(alice_client, corrected_month, kind):
    answer = file_of(alice_client, kind)

    assert answer.status_code == 200
    assert answer.getvalue()
    assert answer.headers["Content-Disposition"] == f'attachment; filename="bill-acme-{month_of()}.{kind}"'


@KINDS
def test_a_file_of_another_customer_or_of_no_month_is_not_found(alice_client, globex, corrected_month, kind):
    assert file_of(alice_client, kind, code="globex").status_code == 404
    assert file_of(alice_client, kind, month="2026-13").status_code == 404


@KINDS
def test_a_month_without_bills_has_files_that_say_so(alice_client, acme, kind):
    answer = file_of(alice_client, kind, month="2020-01")

    assert answer.status_code == 200
    assert answer.getvalue()


@KINDS
def test_a_file_that_must_wait_too_long_is_answered_with_a_page(
    alice_client, corrected_month, kind, monkeypatch
):
    monkeypatch.setattr(downloads, "PATIENCE_SECONDS", 0)
    for _ in range(downloads.AT_A_TIME):
        downloads._TURNS.acquire()
    try:
        answer = file_of(alice_client, kind)
    finally:
        downloads._TURNS.release(downloads.AT_A_TIME)

    assert answer.status_code == 503
    assert "Too many files are being written" in text(answer)


def test_the_page_of_bills_leads_to_the_files_of_each_month(alice_client, corrected_month):
    page = alice_client.get(reverse("customer_bills", args=["acme"]))

    html = page.content.decode()
    for kind in ("csv", "xlsx", "pdf"):
        assert f'href="{reverse(f"customer_month_{kind}", args=["acme", month_of()])}"' in html
    assert f"{month_of()} {len(HourlyBill.objects.all())} {total():,f}".rstrip("0") in text(page)


# --- CSV and XLSX ----------------------------------------------------------------------------------


def test_csv_and_workbook_have_the_same_lines_and_the_total_of_the_page(alice_client, corrected_month):
    rows = csv_rows(file_of(alice_client, "csv"))
    lines = sheets(file_of(alice_client, "xlsx"))["Line items"]
    page = text(alice_client.get(reverse("customer_month", args=["acme", month_of()])))

    assert [(row["bill"], row["state"], row["reason"]) for row in rows] == [
        (line["bill"], line["state"] or "", line["reason"] or "") for line in lines
    ]
    assert sum(Decimal(row["amount_rmb"]) for row in rows) == total()
    assert sum(number(line["amount_rmb"]) for line in lines) == total()
    assert f"Exact total of the hourly bills RMB {plain(total())}" in page


def test_each_sheet_of_the_workbook_comes_to_the_total(alice_client, corrected_month):
    found = sheets(file_of(alice_client, "xlsx"))
    facts = {row["field"]: row["value"] for row in found["Summary"]}

    *items, last = found["By service and item"]
    assert sum(number(item["amount_rmb"]) for item in items) == number(last["amount_rmb"]) == total()
    assert sum(number(bill["amount_rmb"]) for bill in found["Hourly bills"]) == total()
    assert number(facts["exact_total_rmb"]) == total()
    assert number(facts["payable_rmb"]) + number(facts["remainder_rmb"]) == total()
    assert number(facts["net_rmb"]) + number(facts["tax_rmb"]) == number(facts["payable_rmb"])


def test_libreoffice_reads_each_sheet_to_the_total(alice_client, corrected_month, tmp_path):
    if (office := shutil.which("soffice")) is None:
        pytest.skip("LibreOffice is not installed (Debian's package libreoffice-calc-nogui has it)")
    (tmp_path / "month.xlsx").write_bytes(file_of(alice_client, "xlsx").getvalue())
    # Commas, quotation marks, UTF-8; values as they are stored, and every sheet.
    form = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,false,false,false,false,-1"
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    convert = [
        office,
        profile,
        "--headless",
        "--convert-to",
        form,
        "--outdir",
        tmp_path,
        tmp_path / "month.xlsx",
    ]
    subprocess.run(convert, check=True, capture_output=True, timeout=120)

    for sheet in ("Line items", "Hourly bills"):
        with (tmp_path / f"month-{sheet}.csv").open(encoding="utf-8", newline="") as file:
            assert sum(Decimal(row["amount_rmb"]) for row in csv.DictReader(file)) == total()


def test_a_sum_of_an_item_has_its_corrections_in_it(alice_client, corrected_month):
    *items, _ = sheets(file_of(alice_client, "xlsx"))["By service and item"]

    found = {
        (item["price_kind"], number(item["unit_price_rmb"])): (item["calls"], item["quantity"])
        for item in items
        if (item["service"], item["billing_item"]) == ("SenseChat-5", "Input tokens")
    }
    # 7 and 1,000 tokens, of which 1,000 are reversed and 7 credited, and rebilled at another price.
    assert found == {
        ("limited-time offer", Decimal("0.04")): (1, 0),
        ("corrected price", Decimal("0.03")): (0, 7),
    }


def test_the_workbook_names_seller_and_buyer_and_both_times(alice_client, corrected_month):
    found = sheets(file_of(alice_client, "xlsx"))
    facts = {row["field"]: row["value"] for row in found["Summary"]}

    assert (facts["seller"], facts["seller_tax_id"]) == ("商汤科技", "91310000SELLER0000")
    assert (facts["buyer"], facts["buyer_tax_id"]) == ("上海港口书店有限公司", "91310000MA1FL0XX0X")
    assert facts["note"] == "This is not a fapiao (tax invoice)."
    bill = found["Hourly bills"][-1]
    assert bill["hour_utc"] == f"{THE_HOUR:%Y-%m-%dT%H:00:00Z}"
    assert bill["hour_local"].startswith(f"{THE_HOUR.astimezone(SHANGHAI):%Y-%m-%d %H:%M}-")


def test_a_number_that_excel_would_round_stands_beside_with_every_digit(alice_client, acme, settings):
    settings.PARK_ABOVE_AMOUNT = Decimal(10) ** 20
    record(*(report(f"{n}", input_tokens=2**53 - n, output_tokens=0) for n in range(3)))
    close()
    line = ChargeLine.objects.exclude(amount=0).get()

    (row,) = [one for one in sheets(file_of(alice_client, "xlsx"))["Line items"] if one["amount_rmb"]]

    assert number(row["quantity"]) != line.quantity
    assert row["exact_digits"] == f"quantity {plain(line.quantity)}; amount_rmb {plain(line.amount)}"


def test_text_of_the_workbook_is_never_a_formula_nor_an_escape(alice_client, acme):
    acme.legal_name = '=HYPERLINK("http://example.com")'
    acme.address = "_x000D_ <b>&\"' </b>\n<r>@SUM(1)</r>"
    acme.save()

    book = load_workbook(BytesIO(file_of(alice_client, "xlsx").getvalue()))
    cells = {row[0].value: row[1] for row in book["Summary"].iter_rows()}

    assert (cells["buyer"].data_type, cells["buyer"].value) == ("s", acme.legal_name)
    assert str(cells["buyer_address"].value).replace("_x005F_x000D_", "_x000D_") == acme.address


def test_a_month_with_more_lines_than_a_sheet_holds_is_said_so(alice_client, corrected_month, monkeypatch):
    monkeypatch.setattr("pricing.files.xlsx.MOST_LINES", 3)

    answer = file_of(alice_client, "xlsx")

    assert answer.status_code == 422
    assert "Download them as CSV." in text(answer)


# --- PDF -------------------------------------------------------------------------------------------


def test_the_pdf_has_seller_buyer_tax_and_the_total_of_the_page(alice_client, corrected_month):
    first, *_ = pdf_text(file_of(alice_client, "pdf"))
    page = alice_client.get(reverse("customer_month", args=["acme", month_of()]))

    for words in ("商汤科技", "上海港口书店有限公司", "Tax number: 91310000MA1FL0XX0X", "环球金融中心 20 楼"):
        assert words in first
    assert "This is not a fapiao (tax invoice)." in first
    for name, value in page.context["facts"]:
        if name != "Made":
            assert f"{name} {value}" in first
    assert f"Total {total():,f}".rstrip("0") in first


def test_the_pdf_is_in_the_language_of_the_person(alice_client, corrected_month):
    url = reverse("customer_month_pdf", args=["acme", month_of()])

    first, *_ = pdf_text(alice_client.get(url, headers={"Accept-Language": "zh-CN"}))

    assert "刊例价" in first
    assert "list price" not in first


def test_chinese_is_drawn_by_the_font_that_the_pdf_brings(alice_client, corrected_month):
    document = pypdfium2.PdfDocument(file_of(alice_client, "pdf").getvalue())
    fonts = {(font.get_base_name(), font.is_embedded) for page in document for font in fonts_of(page)}
    document.close()

    assert {(name.partition("+")[2], is_embedded) for name, is_embedded in fonts} == {("NotoSansSC", True)}


def test_a_page_is_drawn_as_a_picture(alice_client, corrected_month):
    document = pypdfium2.PdfDocument(file_of(alice_client, "pdf").getvalue())
    picture = document[0].render(scale=1).to_pil().convert("L")
    document.close()

    dark = sum(picture.histogram()[:128]) / (picture.width * picture.height)
    assert picture.size == (596, 842)  # A4 in points
    assert 0.01 < dark < 0.2


def fonts_of(page):
    """The fonts of a page's texts."""
    return [one.get_font() for one in page.get_objects() if isinstance(one, pypdfium2.PdfTextObj)]


def test_a_pdf_of_many_bills_goes_over_pages_each_with_its_head_and_number(alice_client, acme):
    for hour in range(-60, 0):
        record(report(f"{hour}", occurred_at=at(10, hour=hour)), now=at(20, hour=hour))
        close(hour=hour)
    month = month_of(at(0, hour=-1))
    bills = [bill for bill in HourlyBill.objects.all() if month_of(bill.hour_id) == month]

    pages = pdf_text(file_of(alice_client, "pdf", month=month))

    assert all(any(bill.number in page for page in pages) for bill in bills)
    assert all(page.endswith(f"acme {n} / {len(pages)}") for n, page in enumerate(pages, start=1))
    assert all("Hour Bill Amount (RMB)" in page for page in pages)
