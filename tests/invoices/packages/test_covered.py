"""Lines that a package covers say so, wherever they are shown."""

import pytest
from django.test import Client

from accounts.api_keys.keys import issue_service_key
from accounts.models import Scope
from invoices.models import ChargeLine
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from tests.builders import close, record, report
from tests.invoices.browsing import csv_rows, text
from tests.packages import bill, buy, cover

pytestmark = pytest.mark.django_db


@pytest.fixture
def line(acme):
    """A covered line of input tokens."""
    package = buy(acme)
    return cover(bill(acme).lines.get(measure=Measure.INPUT_TOKENS), package)


def links_to(answer, line):
    return f'covered by <a href="/packages/{line.package}">{line.package}</a>' in answer.content.decode()


def test_a_bill_names_the_package_of_a_covered_line(alice_client, line):
    page = alice_client.get(f"/bills/{line.bill.number}")

    assert links_to(page, line)
    assert f"Input tokens 1 1,000 – thousand tokens covered by {line.package} 0.00" in text(page)
    assert "Covered usage was paid for with the package" in text(page)


def test_a_bill_without_covered_lines_says_nothing_of_packages(alice_client, acme):
    issued = bill(acme)

    assert "covered" not in text(alice_client.get(f"/bills/{issued.number}")).lower()


def test_a_covered_line_is_no_free_trial(line):
    line.price_kind = Kind.FREE_TRIAL

    assert not line.is_free_trial


def test_the_page_of_a_covered_line_names_its_package(alice_client, line):
    page = alice_client.get(f"/bills/{line.bill.number}/lines/{line.pk}")

    assert links_to(page, line)


def test_the_page_of_a_call_names_the_package_that_covers_it(alice_client, acme):
    buy(acme)
    record(report())
    close()

    page = alice_client.get("/customers/acme/records?event_id=call-1")

    assert links_to(page, ChargeLine.objects.filter(measure=Measure.INPUT_TOKENS).get())


def test_files_name_the_package_of_a_covered_line(alice_client, line):
    lines = csv_rows(alice_client.get(f"/bills/{line.bill.number}/lines.csv"))
    records = csv_rows(alice_client.get(f"/bills/{line.bill.number}/lines/{line.pk}/records.csv"))

    covered = [row["amount_rmb"] for row in lines if row["covered_by"] == line.package.number]
    assert (covered, len(lines)) == (["0"], 3)
    assert {row["covered_by"] for row in records} == {line.package.number}


def test_a_list_of_lines_takes_as_many_queries_as_one(alice_client, line, django_assert_max_num_queries):
    # Another line of another package.
    other = buy(line.bill.customer, line.package.terms, now=line.bill.issued_at)
    cover(ChargeLine.objects.get(bill=line.bill, measure=Measure.OUTPUT_TOKENS), other)

    with django_assert_max_num_queries(9):
        alice_client.get(f"/bills/{line.bill.number}")


def test_programs_read_which_package_covers_a_line(line):
    _, key = issue_service_key(name="books", scopes=[Scope.BILLING_READ])

    def package_of(one):
        path = f"/api/v1/charge-lines/{one.pk}/records"
        answer = Client().get(path, headers={"Authorization": f"Bearer {key}"}).json()
        return answer["charge_line"]["package"]

    charged = line.bill.lines.get(measure=Measure.OUTPUT_TOKENS)
    assert (package_of(line), package_of(charged)) == (line.package.number, None)
