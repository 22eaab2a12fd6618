"""A month's files in a real browser: each is downloaded, opened, and comes to what the page says."""

import csv
from decimal import Decimal
from types import SimpleNamespace

import pytest

from invoices.models import HourlyBill
from pricing.rules.amounts import plain
from tests.builders import close, record, report
from tests.invoices.documents.builders import month_of, number, pdf_text, sheets

pytestmark = pytest.mark.django_db(transaction=True)


def downloaded(page, kind):
    """A file behind the month's link, as the tests' builders read an answer."""
    with page.expect_download() as download:
        page.get_by_role("link", name=kind, exact=True).click()
    return SimpleNamespace(getvalue=download.value.path().read_bytes)


@pytest.fixture
def bills(admin, alice):
    """The page of Acme's bills, as Alice sees it."""
    page = admin(alice)
    record(report(input_tokens=7), report("2", service="SenseChat"))
    close()
    page.goto("/customers/acme/bills")
    return page


def test_each_file_of_a_month_comes_to_what_the_page_says(bills):
    amount = plain(HourlyBill.objects.get().amount)
    row = bills.get_by_role("row", name=month_of()).first.inner_text()

    lines = csv.DictReader(downloaded(bills, "CSV").getvalue().decode("utf-8-sig").splitlines())
    items = sheets(downloaded(bills, "XLSX"))["Line items"]
    first, *_ = pdf_text(downloaded(bills, "PDF"))

    assert amount in row
    assert plain(sum((Decimal(line["amount_rmb"]) for line in lines), Decimal(0))) == amount
    assert plain(sum((number(item["amount_rmb"]) for item in items), Decimal(0))) == amount
    assert f"Total {amount}" in first


def test_a_month_is_printed_on_white_without_its_bar(bills):
    bills.emulate_media(color_scheme="dark")
    bills.get_by_role("link", name=month_of(), exact=True).click()
    bills.get_by_role("button", name="Print").wait_for()

    bills.emulate_media(media="print", color_scheme="dark")

    assert not bills.get_by_role("button", name="Print").is_visible()
    ground = bills.evaluate("getComputedStyle(document.querySelector('.sheet')).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    printed = SimpleNamespace(getvalue=lambda: bills.pdf(prefer_css_page_size=True))
    assert f"Monthly bill {month_of()}" in pdf_text(printed)[0]


def test_on_a_phone_each_line_shows_quantity_and_unit_price(bills):
    bills.set_viewport_size({"width": 360, "height": 740})
    bills.goto(f"/bills/{HourlyBill.objects.get().number}")

    cells = bills.locator("tbody tr:not(.section)").first.locator("td")

    boxes = [cell.bounding_box() for cell in cells.all()]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 360 for box in boxes)
    assert len({box["y"] for box in boxes}) == len(boxes)
    assert bills.evaluate("document.documentElement.scrollWidth") == 360
