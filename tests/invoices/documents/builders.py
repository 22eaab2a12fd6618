"""What tests of documents look at: a month in which everything happens, and its files as they are opened."""

import io
from decimal import Decimal
from zoneinfo import ZoneInfo

import pypdfium2
from django.urls import reverse
from openpyxl import load_workbook

from invoices.corrections.rerate import order_rerating
from invoices.models import HourlyBill
from pricing.models import Price
from tests.builders import THE_HOUR, at, close, item, record, report
from tests.invoices.browsing import OPERATOR
from usage.ingest.reversals import reverse_record
from usage.models import HOUR, BillingHour

SHANGHAI = ZoneInfo("Asia/Shanghai")


def month_of(instant=THE_HOUR):
    """The month of an instant by Acme's clock, e.g. `2026-11`."""
    return f"{instant.astimezone(SHANGHAI):%Y-%m}"


def bill_hours(acme, *hours):
    """Bills of 1 RMB of these hours, and closed hours without usage between them."""
    count = (hours[-1] - hours[0]) // HOUR + 1
    closed = [hours[0] + n * HOUR for n in range(count)]
    BillingHour.objects.bulk_create(
        BillingHour(hour=hour, previous_id=hour - HOUR if hour > closed[0] else None, closed_at=hour + HOUR)
        for hour in closed
    )
    for hour in hours:
        HourlyBill.objects.create(
            **{"number": f"{hour:%Y%m%dT%HZ}-acme", "customer": acme, "hour_id": hour, "sealed_in_id": hour},
            **{"customer_code": "acme", "customer_name": acme.name, "records": 0, "amount": 1},
            issued_at=hour + HOUR,
        )


def use_and_correct(acme):
    """An hour of two services, and a later one, perhaps of the next month, that corrects it."""
    record(report(input_tokens=7), report("wrong"), report("3", service="SenseChat"))
    close()
    reverse_record(customer=acme, event_id="wrong", reason="Sent twice.", by=OPERATOR, now=at(70))
    wrong = Price.objects.filter(billing_item=item("SenseChat-5", "input_tokens")).in_force(at=at(10))
    order_rerating(
        price=wrong.by_precedence()[0],
        from_hour=THE_HOUR,
        until_hour=THE_HOUR + HOUR,
        unit_price=Decimal("0.03"),
        reason="The list said so.",
        by=OPERATOR,
        now=at(70),
    )
    close(hour=1)


def file_of(client, kind, month=None, code="acme"):
    """A month's file, as a person downloads it."""
    return client.get(reverse(f"customer_month_{kind}", args=[code, month or month_of()]))


def sheets(answer):
    """The sheets of a workbook: their names, and their rows by the heads."""
    book = load_workbook(io.BytesIO(answer.getvalue()), read_only=True)
    read = {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book}
    book.close()
    return {name: [dict(zip(head, row, strict=True)) for row in rows] for name, (head, *rows) in read.items()}


def number(cell):
    """The number that a spreadsheet shows for its binary one."""
    return Decimal(repr(cell))


def pdf_text(answer):
    """The text of a PDF as viewers copy it, page by page."""
    document = pypdfium2.PdfDocument(answer.getvalue())
    texts = []
    for page in document:
        text = page.get_textpage()
        texts.append(" ".join(text.get_text_range().split()))
        text.close()
        page.close()
    document.close()
    return texts
