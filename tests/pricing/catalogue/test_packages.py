"""Package products on sale: on the price page, and for programs."""

import datetime as dt
import re
from dataclasses import replace
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from pricing.changes.apply import apply_rows
from tests.invoices.browsing import text
from tests.pricing.changes.packages.test_rows import TOKENS, TPM

pytestmark = pytest.mark.django_db

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
A_DAY = dt.timedelta(days=1)
BEGUN, SOON = NOW - A_DAY, NOW + A_DAY
GROUP = replace(
    TOKENS, product="General 1M", services=("nova-embedding-stable",), groups=("General",), tokens=1_000_000,
    offer_price=None, weights=(), rpm=None, tpm=None,
)  # fmt: skip


def sell(*rows, begins_at=BEGUN, **fields):
    sold = [replace(row, begins_at=begins_at, **fields) for row in rows]
    apply_rows(rows=sold, by="operator", reason="On sale.", now=NOW)


def page():
    return Client().get(reverse("prices"))


def listed():
    """The rows of the page's table of packages, cell by cell."""
    table = re.search(r'id="packages".*?</section>', page().content.decode(), re.DOTALL)
    assert table
    return [
        [" ".join(re.sub(r"<[^>]*>", " ", cell).split()) for cell in re.findall(r"<t[hd].*?</t[hd]>", row)]
        for row in re.findall(r"<tr>(.*?)</tr>", table[0].replace("\n", ""))[1:]
    ]


def catalog(at=None):
    return Client().get("/api/v1/catalog", {"at": at.isoformat()} if at else {}).json()


def test_the_page_explains_the_three_methods_and_that_one_applies():
    said = text(page())

    assert "exactly one of the three applies at any time" in said
    assert "Tokens Postpaid Use first, pay afterwards" in said
    assert "TPM Quota Package Prepaid Throughput of one service" in said
    assert "in units of 10,000 TPM and 33 RPM" in said
    assert "Tokens Quota Package Prepaid Tokens bought ahead" in said


def test_the_page_lists_what_is_on_sale_with_price_validity_cover_and_limits():
    sell(TOKENS, TPM, GROUP)

    general = "SenseChat-5, SenseChat, SenseChat-32K, SenseChat-128K, SenseChat-Turbo, nova-embedding-stable"
    assert listed() == [
        ["General 1M Tokens Quota Package Prepaid", f"{general} All of General.", "1,000,000 tokens",
         "1 month", "The usual one", "400.00"],
        ["SenseChat-5 10M Tokens Quota Package Prepaid",
         "SenseChat-5 A token of SenseChat-5 output tokens takes 2.", "10,000,000 tokens", "1 month",
         "60 RPM, 128,000 TPM", "360.00 400.00"],
        ["SenseChat-5 TPM by day TPM Quota Package Prepaid", "SenseChat-5", "Units of 10,000 TPM and 33 RPM",
         "As many days as you buy", "That of the units", "50.00 a unit per day"],
    ]  # fmt: skip
    assert '<s class="unbroken" title="list price">400.00</s>' in page().content.decode()


def test_what_is_scheduled_or_has_ended_is_not_listed_and_an_end_is_told():
    sell(TOKENS, begins_at=SOON)
    sell(TPM, ends_at=NOW - A_DAY / 2)
    sell(GROUP, ends_at=SOON)

    (only,) = listed()
    assert only[0].startswith("General 1M")
    assert f"until {SOON + dt.timedelta(hours=8):%Y-%m-%d %H:%M}" in only[-1]


def test_where_nothing_is_on_sale_the_page_says_so():
    assert "No quota package is on sale now." in text(page())
    assert listed() == []


def test_the_page_takes_the_same_queries_however_many_products_there_are(django_assert_num_queries):
    sell(*(replace(GROUP, product=f"Package {number}") for number in range(9)), TOKENS)

    with django_assert_num_queries(9):
        page()


def test_programs_read_a_product_with_its_terms():
    sell(TOKENS)

    assert catalog()["packages"] == [
        {
            "product": "SenseChat-5 10M",
            "method": "tokens_package",
            "services": ["SenseChat-5"],
            "groups": [],
            "tokens": 10_000_000,
            "validity": 1,
            "validity_unit": "month",
            "list_price": "400",
            "offer_price": "360",
            "rpm": 60,
            "tpm": 128_000,
            "weights": [{"service": "SenseChat-5", "billing_item": "output_tokens", "weight": "2"}],
            "begins_at": BEGUN.isoformat().replace("+00:00", "Z"),
            "ends_at": None,
        }
    ]


def test_programs_read_of_a_tpm_product_what_a_unit_is():
    sell(TPM)

    (package,) = catalog()["packages"]
    told = {name: package[name] for name in ("method", "tokens", "rpm", "tpm", "validity_unit")}
    assert told == {
        "method": "tpm_package", "tokens": None, "rpm": 33, "tpm": 10_000, "validity_unit": "day",
    }  # fmt: skip


def test_an_answer_holds_until_terms_change():
    sell(TOKENS, ends_at=SOON)
    sell(replace(TOKENS, list_price=Decimal(500)), begins_at=SOON)

    now, then = catalog(), catalog(SOON)

    assert now["next_change_at"] == then["in_force_from"] == SOON.isoformat().replace("+00:00", "Z")
    assert [one["packages"][0]["list_price"] for one in (now, then)] == ["400", "500"]
