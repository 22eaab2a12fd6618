"""The list of all bills in the admin: found and ordered by what an index finds, as there are millions."""

import pytest
from django.urls import reverse

from invoices.models import HourlyBill
from tests.builders import at, close, record, report

pytestmark = pytest.mark.django_db


@pytest.fixture
def bills(acme, globex):
    """Acme's and Globex's of one hour, and Acme's larger one of the next."""
    record(report(), report("other", customer="globex"))
    close()
    record(report("late", input_tokens=9_000, occurred_at=at(10, hour=1)), now=at(20, hour=1))
    close(hour=1)


def listed(client, **query):
    page = client.get(reverse("admin:invoices_hourlybill_changelist"), query)
    return [bill.customer_code for bill in page.context["cl"].result_list]


def test_bills_are_found_by_their_number_and_by_their_customer(operator_client, bills):
    number = HourlyBill.objects.get(customer_code="globex").number

    assert listed(operator_client, q=number) == ["globex"]
    assert listed(operator_client, q="ACM") == ["acme", "acme"]
    assert listed(operator_client, q="Globex Gm") == ["globex"]
    assert listed(operator_client, q="nobody") == []
    assert listed(operator_client, q="\0") == ["acme", "acme", "globex"]


def test_bills_are_filtered_by_the_whole_code_of_a_customer(operator_client, bills):
    assert listed(operator_client, customer=" globex ") == ["globex"]
    assert listed(operator_client, customer="glob") == []


def test_bills_are_ordered_by_their_number_but_by_no_column_without_an_index(operator_client, bills):
    assert listed(operator_client, o="0") == ["acme", "globex", "acme"]  # by number
    assert listed(operator_client, o="1") == listed(operator_client, o="-1")  # by customer


def test_no_numbers_beside_the_choices_of_a_filter_are_counted(operator_client, bills):
    lists = operator_client.get(reverse("admin:invoices_hourlybill_changelist"), {"_facets": "True"})

    assert not lists.context["cl"].add_facets
