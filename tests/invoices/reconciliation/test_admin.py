"""The admin compares a file with the records of a customer, on a page or as a file, and changes nothing."""

import csv
import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from tests.builders import at, record, report
from tests.invoices.browsing import text

pytestmark = pytest.mark.django_db

HEAD = "event_id,service,occurred_at,input_tokens,output_tokens"


@pytest.fixture
def two_calls(acme):
    record(*(report(f"call-{number}", occurred_at=at(number)) for number in range(2)))


def compared(client, *lines, head=HEAD, **asked):
    content = "\n".join([head, *lines, ""]).encode()
    span = {"begins_at": f"{at(0):%Y-%m-%dT%H:%M}", "ends_at": f"{at(60):%Y-%m-%dT%H:%M}"}
    file = SimpleUploadedFile("theirs.csv", content)
    return client.post(reverse("reconciliation"), {"customer": "acme", "file": file, **span, **asked})


def test_the_page_says_what_agrees_and_what_each_difference_comes_to(operator_client, two_calls):
    page = text(compared(operator_client, "call-0,,,2000,500", f"call-9,SenseChat-5,{at(9):%FT%TZ},1000,500"))

    assert "2 lines, 0 agree." in page
    assert "missing here 1 0.09 missing there 1 -0.09 different 1 0.04 reversed here 0 0.00" in page
    assert "different call-0 2 SenseChat-5 2,000 input_tokens + 500 output_tokens 1,000 input_tokens" in page


def test_all_differences_come_as_a_file(operator_client, two_calls):
    answer = compared(operator_client, "call-0,,,1000,500", download="1")

    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))
    assert [(row["difference"], row["event_id"], row["amount_rmb"]) for row in rows] == [
        ("missing there", "call-1", "-0.09")
    ]


@pytest.mark.parametrize("sent", [{}, {"download": "1"}])
def test_a_file_that_cannot_be_read_is_refused_at_its_field(operator_client, two_calls, sent):
    page = text(compared(operator_client, "call-0,,,-1,500", **sent))

    assert "Line 2: input_tokens is '-1', which is no whole number." in page


def test_a_span_that_ends_before_it_begins_is_refused(operator_client, two_calls):
    page = text(compared(operator_client, ends_at=f"{at(0):%Y-%m-%dT%H:%M}"))

    assert "The span must end after it begins." in page
