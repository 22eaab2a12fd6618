"""Admins read the credits of refunds: listed, found, filtered, with links to customer and package."""

import pytest
from django.urls import reverse

from invoices.models import PackageCredit
from invoices.packages.after_sale.refund import order_refund
from tests.builders import at, close, record, report
from tests.invoices.browsing import staff_client, text
from tests.packages import UNCOVERED, buy, tokens_product, tpm_product

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "unused_is_refunded")]

LIST = "/admin/invoices/packagecredit/"


@pytest.fixture
def credits(acme, globex):
    """Acme's for 3 of 7 tokens, Globex's for two days of a unit; both of THE_HOUR."""
    chat = buy(acme, tokens_product(tokens=7))
    units = buy(globex, tpm_product(), units=1, periods=2)
    record(report(input_tokens=3, output_tokens=1), report("uncovered", service=UNCOVERED))
    for package in (chat, units):
        order_refund(package=package, by="alice@acme.example", now=at(40))
    close()
    return [PackageCredit.objects.get(package=package) for package in (chat, units)]


def test_a_credit_is_listed_with_what_was_left_paid_and_credited(operator_client, credits):
    shown = text(operator_client.get(LIST))

    assert f"{credits[0]} acme {credits[0].package} SenseChat-5 1M 3 of 7 30.00 12.85" in shown
    assert f"{credits[1]} globex {credits[1].package} SenseChat-5 TPM 2 of 2 200.00 200.00" in shown


@pytest.mark.parametrize(
    ("query", "customers"),
    [
        ("q=globex", ["globex"]),
        ("q=SenseChat-5+1M", ["acme"]),
        ("q=-acme-1", ["acme"]),
        ("package__method=tpm_package", ["globex"]),
        ("package__method=tokens_package", ["acme"]),
        ("q=nobody", []),
        ("customer=acme", ["acme"]),
    ],
)
def test_the_list_is_searched_and_filtered(operator_client, credits, query, customers):
    page = operator_client.get(f"{LIST}?{query}")

    assert [one.customer_code for one in page.context["cl"].result_list] == customers


def test_a_credit_links_to_its_customer_and_package_and_that_to_it(operator_client, credits):
    credit = credits[0]
    path = reverse("admin:invoices_packagecredit_change", args=[credit.pk])
    of_package = reverse("admin:pricing_quotapackage_change", args=[credit.package_id])

    page = operator_client.get(path)

    said, source = text(page), page.content.decode()
    assert "12.85714285" in said
    for url in (reverse("admin:accounts_customer_change", args=[credit.package.customer_id]), of_package):
        assert f'href="{url}"' in source
    assert f'href="{path}"' in operator_client.get(of_package).content.decode()


def test_a_credit_is_never_changed(operator_client, credits):
    path = f"{LIST}{credits[0].pk}"

    page = operator_client.get(f"{path}/change/")
    answers = [
        operator_client.post(f"{path}/{action}/", {"post": "yes"}).status_code
        for action in ("change", "delete")
    ]

    assert 'name="_save"' not in page.content.decode()
    assert answers == [403, 403]


def test_without_the_permission_there_is_no_list(credits):
    assert staff_client("view_quotapackage").get(LIST).status_code == 403
