"""Bills and months in print."""

import pytest
from django.urls import reverse

from invoices.models import HourlyBill
from tests.builders import THE_HOUR, at, close, record, report
from tests.invoices.browsing import text
from tests.invoices.documents.builders import month_of, use_and_correct
from tests.querying import get_within

pytestmark = pytest.mark.django_db


def month_page(client):
    return client.get(reverse("customer_month", args=["acme", month_of()]))


def print_of(client, bill):
    return client.get(reverse("bill_print", args=[bill.number]))


def test_a_bill_in_print_has_seller_buyer_tax_and_its_exact_lines(alice_client, acme, settings):
    settings.SELLER_NAME = "商汤科技"
    acme.legal_name, acme.tax_id = "上海港口书店有限公司", "91310000MA1FL0XX0X"
    acme.save()
    record(report(input_tokens=7))
    close()

    shown = text(print_of(alice_client, HourlyBill.objects.get()))

    assert "Seller 商汤科技 Buyer 上海港口书店有限公司 Tax number: 91310000MA1FL0XX0X" in shown
    assert "Exact total RMB 0.05028" in shown
    assert "Included, 6 %. It is shown on the monthly bill, which alone is rounded and paid." in shown
    assert "This is not a fapiao (tax invoice)." in shown
    assert "0.00028" in shown


def test_a_customer_without_a_company_name_buys_under_its_own(alice_client, acme):
    record()
    close()

    assert "Buyer Acme Ltd" in text(print_of(alice_client, HourlyBill.objects.get()))


def test_a_corrected_bill_names_its_correction_and_its_reason_in_print(alice_client, acme):
    use_and_correct(acme)
    corrected, correcting = HourlyBill.objects.order_by("hour_id")

    assert f"corrected on bill {correcting.number}" in text(print_of(alice_client, corrected))
    assert f"corrects bill {corrected.number}" in text(print_of(alice_client, correcting))
    assert "Reason: Sent twice." in text(print_of(alice_client, correcting))


def test_documents_without_a_tax_rate_speak_of_no_tax(alice_client, acme, settings):
    settings.TAX_RATE = 0
    record()
    close()

    shown = text(month_page(alice_client)) + text(print_of(alice_client, HourlyBill.objects.get()))

    assert "Tax included" not in shown
    assert "Included," not in shown


def test_a_month_that_goes_on_says_until_when_it_is_billed(alice_client, acme):
    record()
    close()

    shown = text(month_page(alice_client))

    # The hour may be the last of its month: then the month is billed whole.
    is_last = month_of(at(60)) != month_of()
    assert ("Billed until" in shown) != is_last


def test_a_month_names_the_hours_under_review(alice_client, acme, settings):
    record(report("before", occurred_at=at(10, hour=-1)), now=at(20, hour=-1))
    close(hour=-1)
    settings.PARK_ABOVE_AMOUNT = 0
    record()
    close()

    assert "1 hour is under review and not counted yet." in text(month_page(alice_client))


def test_a_month_takes_few_queries_however_many_bills_it_has(alice_client, acme):
    for hour in range(4):
        record(report(f"{hour}", occurred_at=at(10, hour=hour)), now=at(20, hour=hour))
        close(hour=hour)

    url = reverse("customer_month", args=["acme", month_of()])
    page = get_within(alice_client, url, queries=7)

    assert f"{THE_HOUR:%Y%m%dT%HZ}-acme" in text(page)


def test_a_bill_in_print_takes_few_queries(alice_client, acme):
    use_and_correct(acme)
    bill = HourlyBill.objects.latest("hour_id")

    get_within(alice_client, reverse("bill_print", args=[bill.number]), queries=12)
