"""What the overview says of packages that would cover usage of hours that are still open."""

import re
from decimal import Decimal

import pytest
from django.urls import reverse

from invoices.portal.overview import overview_of
from tests.builders import at, close, record, report
from tests.packages import buy, draws, tokens_product, tpm_product
from usage.ingest.reversals import reverse_record

pytestmark = pytest.mark.django_db


def use(event_id, minute, tokens, **fields):
    record(
        report(event_id, occurred_at=at(minute), input_tokens=tokens, output_tokens=0, **fields), now=at(79)
    )


def so_far(customer, *, now):
    """What would be charged of each open hour, and covered of it with what is left of the package."""
    read = overview_of(customer=customer, now=now)
    return [
        (int(one.quantity), one.amount.normalize(), one.draw and one.draw.left)
        for hour in (*read.closing_soon, read.running)
        for one in hour.charges
        if one.quantity
    ]


def page(client):
    answer = client.get(reverse("customer_overview", args=["acme"]))
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


def test_the_page_names_the_package_and_what_is_left_after_the_hour(alice_client, acme, clock):
    package = buy(acme, tokens_product(tokens=1_000_000), now=at(1))
    use("a", 10, 188_000)

    shown = page(alice_client)

    assert f"covered by {package.number} 812,000 of 1,000,000 left after this hour" in shown
    assert "Covered usage was paid for with the package that the line names" in shown


def test_the_page_says_that_a_package_is_used_up(alice_client, acme, clock):
    package = buy(acme, tokens_product(tokens=100), now=at(1))
    use("a", 10, 300)

    assert f"covered by {package.number} used up in this hour" in page(alice_client)
    assert so_far(acme, now=at(40)) == [(100, 0, 0), (200, Decimal("0.008"), None)]


def test_a_tpm_package_is_named_without_tokens(alice_client, acme, clock):
    package = buy(acme, tpm_product(), units=1, now=at(1))
    use("a", 70, 300)
    clock(at(80))

    shown = page(alice_client)

    assert f"covered by {package.number} 0" in shown
    assert "left after this hour" not in shown


def test_another_hour_that_is_still_open_draws_before(acme):
    package = buy(acme, tokens_product(tokens=1000), now=at(1))
    use("a", 10, 700)
    use("b", 70, 700)

    found = so_far(acme, now=at(80))
    close()
    close(hour=1)

    assert found == [(700, 0, 300), (300, 0, 0), (400, Decimal("0.016"), None)]
    assert draws(package) == [(700, 300), (300, 0)]


def test_a_package_that_runs_out_in_the_hour_before_covers_nothing_of_this_one(acme):
    # Its rest is less than one token takes.
    buy(acme, tokens_product(tokens=5, weights=[("SenseChat-5", "input_tokens", "2")]), now=at(1))
    use("a", 10, 3)
    use("b", 70, 1)

    assert so_far(acme, now=at(80)) == [
        (2, 0, 1),
        (1, Decimal("0.00004"), None),
        (1, Decimal("0.00004"), None),
    ]


def test_what_a_reversal_gives_back_is_left(acme):
    package = buy(acme, tokens_product(tokens=1000), now=at(1))
    use("a", 10, 700)
    close()
    reverse_record(customer=acme, event_id="a", reason="A test run.", by="operator", now=at(70))
    use("b", 71, 100)

    found = so_far(acme, now=at(80))
    close(hour=1)

    assert (100, 0, 900) in found
    assert draws(package)[-1] == (100, 900)
