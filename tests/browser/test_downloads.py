"""Every file that a customer's page offers is downloaded and opened, and comes to what the page says.

Those of a month are in test_monthly_bills.py.
"""

import re
from decimal import Decimal

import pytest

from invoices.models import ChargeLine
from tests.browser.test_monthly_bills import downloaded
from tests.invoices.browsing import csv_rows
from tests.invoices.documents.builders import sheets

pytestmark = pytest.mark.django_db(transaction=True)

BILL, PACKAGE = "/bills/20261124T00Z-acme", "/packages/P20261123-acme-1"
# The page, its link, the column that is added up, and where the page says what it comes to.
FILES = (
    ("/customers/acme/usage", "Download as CSV", "amount_rmb", r"RMB (.*) from 2026-11-01"),
    ("/customers/acme/usage", "Download as CSV", "calls", r"Total\s+(\d+)"),
    ("/customers/acme/usage", "Download as Excel", "amount_rmb", r"RMB (.*) from 2026-11-01"),
    ("/customers/acme/usage?by=item", "Download as CSV", "amount_rmb", r"RMB (.*) from 2026-11-01"),
    ("/customers/acme/usage?by=project", "Download as Excel", "amount_rmb", r"RMB (.*) from 2026-11-01"),
    ("/customers/acme/bills", "CSV, one row a bill", "amount_rmb", r"2026-11\s+3\s+([\d.,]+)"),
    ("/customers/acme/bills", "CSV, one row a line item", "amount_rmb", r"2026-11\s+3\s+([\d.,]+)"),
    (BILL, "Download the lines (CSV)", "amount_rmb", r"Total\s+([\d.,]+)\n"),
    (f"{BILL}/lines/LINE", "Download the records (CSV)", "amount_rmb", r"Amount \(RMB\)\s+([\d.,]+)"),
    (f"{BILL}/lines/LINE", "Download the records (CSV)", "quantity", r"Quantity\s+([\d.,]+)"),
    (PACKAGE, "Download the log (CSV)", "tokens", r"([\d,]+) used"),
)


def rows_of(file, link):
    """The rows of a file by their heads; a workbook has one sheet."""
    if not link.endswith("Excel"):
        return csv_rows(file)
    (rows,) = sheets(file).values()
    return rows


@pytest.mark.usefixtures("a_month")
def test_each_file_comes_to_what_its_page_says(admin, alice):
    page, others = admin(alice), {}
    line = ChargeLine.objects.filter(bill__number="20261124T00Z-acme").latest("amount")
    for path, link, column, figure in FILES:
        page.goto(path.replace("LINE", str(line.pk)))
        shown = Decimal(re.findall(figure, page.inner_text("main"))[0].replace(",", ""))
        sum_of_file = sum(Decimal(str(row[column])) for row in rows_of(downloaded(page, link), link))
        if sum_of_file != shown or not shown:
            others[path, link, column] = sum_of_file, shown

    assert others == {}
