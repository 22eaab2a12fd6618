"""Admins see what was sold, used and expires, and buy for customers."""

import datetime as dt
from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.models import AuditEntry
from invoices.models import PackagePurchase
from invoices.packages.coverage import percent_text, read_coverage
from pricing.rules.measures import Measure
from tests.browsing import fields_of
from tests.builders import at
from tests.invoices.browsing import OPERATOR, staff_client, text
from tests.packages import bill, buy, cover, draw, tokens_product, tpm_product
from tests.querying import get_within

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

LIST, BUY = "/admin/pricing/quotapackage/", "/admin/pricing/quotapackage/add/"


def shown(client, **fields):
    """The page of this purchase, and where it is."""
    path = reverse("admin:pricing_quotapackage_add", query=fields)
    return path, client.get(path)


def hidden(page):
    return {name: fields_of(page)[name][-1] for name in ("order_id", "begins_at")}


# --- The list --------------------------------------------------------------------------------------


def test_the_list_sums_up_what_was_sold_and_used(operator_client, acme, globex):
    package = buy(acme)
    buy(globex, tokens_product("Day", validity=1, list_price=Decimal("2.5")))
    buy(globex, tpm_product(), units=1, periods=30)
    draw(package, 250_000, of=bill(acme))

    said = text(operator_client.get(LIST))

    assert "3 sold for 3,032.50 RMB, 2 in force; 250,000 of 2,000,000 tokens used (12.5 %)" in said
    assert "1 expire within 7 days" in said
    assert "250,000 of 1,000,000 (25.0 %)" in said


def test_too_many_packages_are_not_summed_up_until_fewer_are_chosen(
    operator_client, acme, globex, monkeypatch
):
    monkeypatch.setattr("invoices.packages.admin.MOST_SUMMED", 1)
    buy(acme)
    buy(globex, tokens_product("Day"))

    assert "Up to 1 packages are summed up here" in text(operator_client.get(LIST))
    assert "1 sold for" in text(operator_client.get(f"{LIST}?q=globex"))


def test_the_list_finds_what_is_used_up(operator_client, acme):
    package = buy(acme)
    draw(package, 1_000_000, of=bill(acme))
    buy(acme, tokens_product("Day"))

    page = operator_client.get(f"{LIST}?state=used_up")

    assert [one.pk for one in page.context["cl"].result_list] == [package.pk]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("state=in_force", {"Month", "Day"}),
        ("state=expired", {"Old"}),
        ("state=scheduled", set()),
        ("state=odd", {"Month", "Day", "Old"}),
        ("expires_within=1", {"Day"}),
        ("expires_within=30", {"Day"}),
        ("q=globex", {"Old"}),
    ],
)
def test_the_list_is_filtered(operator_client, acme, globex, query, names):
    buy(acme, tokens_product("Month", validity=60))
    buy(acme, tokens_product("Day", validity=1))
    buy(globex, tokens_product("Old", validity=1), now=at(30) - dt.timedelta(days=3))

    page = operator_client.get(f"{LIST}?{query}")

    assert {one.product_name for one in page.context["cl"].result_list} == names


def test_a_list_of_many_takes_as_many_queries_as_one(operator_client, acme):
    terms = tokens_product()
    for _ in range(10):
        buy(acme, terms)

    get_within(operator_client, LIST, queries=12)


def test_a_package_is_shown_with_its_draws_and_cannot_be_changed(operator_client, acme):
    package = buy(acme)
    draw(package, 1000, of=bill(acme))

    page = operator_client.get(reverse("admin:pricing_quotapackage_change", args=[package.pk]))

    assert "999,000" in text(page)
    assert "1,000 drawn" in text(page)
    assert 'name="_save"' not in page.content.decode()


def test_coverage_counts_customers_with_packages(acme, globex):
    package = buy(acme)
    issued = bill(acme)
    bill(globex, hour=1)
    cover(issued.lines.get(measure=Measure.INPUT_TOKENS), package)

    [found] = read_coverage(now=at(120))

    assert (found.customer_code, found.used, found.covered) == ("acme", Decimal(2500), Decimal(1000))


def test_coverage_is_shown_as_a_share(operator_client, acme, clock):
    package = buy(acme)
    cover(bill(acme).lines.get(measure=Measure.INPUT_TOKENS), package)
    clock(at(120))

    said = text(operator_client.get(f"{LIST}coverage/"))

    assert "Of the 2,500 tokens" in said
    assert "covered 1,000: 40.0 %" in said


def test_coverage_of_nothing_has_no_share(operator_client):
    assert "No customer with a package" in text(operator_client.get(f"{LIST}coverage/"))
    assert percent_text(1, 0) == "-"


def test_the_audit_trail_names_the_admin_who_bought(operator_client, acme):
    path, page = shown(operator_client, customer="acme", terms=tokens_product().pk)

    operator_client.post(path, hidden(page))

    entry = AuditEntry.objects.filter(table="pricing_quotapackage").latest("pk")
    assert (entry.by, entry.reason) == (OPERATOR, "Bought SenseChat-5 1M.")


# --- Buying for a customer -------------------------------------------------------------------------


def test_a_purchase_is_shown_before_it_is_made(operator_client, acme):
    _, page = shown(operator_client, customer="acme", terms=tokens_product().pk)

    begins = f"{at(0):%Y-%m-%d %H:%M:%S}"
    assert f"SenseChat-5 Tokens Postpaid, {begins} Tokens Quota Package Prepaid, {begins}" in text(page)
    assert "Buy for acme: 30.00 RMB" in text(page)
    assert not PackagePurchase.objects.exists()


def test_an_admin_buys_for_a_customer(operator_client, acme):
    path, page = shown(operator_client, customer="acme", terms=tpm_product().pk, units=2, periods=10)

    answer = operator_client.post(path, hidden(page), follow=True)

    purchase = PackagePurchase.objects.get()
    assert (purchase.bought_by, purchase.customer_code) == (OPERATOR, "acme")
    assert (purchase.package.units, purchase.amount) == (2, Decimal(2000))
    assert f"Bought for acme: package {purchase}." in text(answer)


def test_the_admins_order_that_is_sent_twice_is_one(operator_client, acme, clock):
    path, page = shown(operator_client, customer="acme", terms=tokens_product().pk)

    operator_client.post(path, hidden(page))
    clock(at(70))
    operator_client.post(path, hidden(page))

    assert PackagePurchase.objects.count() == 1


def test_the_admins_purchase_is_shown_again_where_it_would_begin_later(operator_client, acme, clock):
    path, page = shown(operator_client, customer="acme", terms=tokens_product().pk)
    clock(at(70))

    again = operator_client.post(path, hidden(page))

    assert "Nothing was bought. It would begin at" in text(again)
    assert hidden(again)["begins_at"] == at(60).isoformat()
    assert not PackagePurchase.objects.exists()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"customer": "nobody"}, "No customer has this code."),
        ({"customer": "a\0"}, "Null characters are not allowed."),
        ({"terms": "0"}, "Select a valid choice."),
        ({"terms": "x" * 50}, "Select a valid choice."),
        ({"units": ""}, "Say how many."),
        ({"units": "0"}, "Choose from 1 to 10,000 units."),
        ({"periods": "4000"}, "Choose from 1 to 3,660 days."),
    ],
)
def test_a_purchase_that_cannot_be_is_refused_at_its_field(operator_client, acme, fields, words):
    asked = {"customer": "acme", "terms": tpm_product().pk, "units": "1", "periods": "1"}

    _, page = shown(operator_client, **(asked | fields))

    assert words in text(page)
    assert "Buy for" not in text(page)


def test_a_tokens_package_takes_no_units(operator_client, acme):
    _, page = shown(operator_client, customer="acme", terms=tokens_product().pk, units=2)

    assert "Of a TPM package only." in text(page)


def test_an_incomplete_order_buys_nothing(operator_client, acme):
    path, _ = shown(operator_client, customer="acme", terms=tokens_product().pk)

    refused = operator_client.post(path, {})

    assert "the page was sent incomplete" in text(refused)
    assert not PackagePurchase.objects.exists()


def test_who_may_only_look_may_not_buy(acme):
    client = staff_client("view_quotapackage")
    path, page = shown(client, customer="acme", terms=tokens_product().pk)

    assert client.get(LIST).status_code == 200
    assert (page.status_code, client.post(path, {}).status_code) == (403, 403)
