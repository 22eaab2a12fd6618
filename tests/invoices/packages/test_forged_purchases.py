"""What was sold and drawn, altered in books of a few lines, is found."""

import pytest

from invoices.closing.parking import release
from invoices.models import PackageDraw, ParkedHour
from invoices.packages.after_sale.refund import order_refund
from tests.builders import at, close, commit, record, report
from tests.invoices.books.builders import BY, alter, found, kinds
from tests.packages import buy, tokens_product, tpm_product

pytestmark = pytest.mark.django_db

OUT = "output_tokens"


def texts(what):
    """What is found of this kind, in words."""
    return [text for one, _, text in found() if one == what]


def test_a_call_that_was_moved_before_the_one_at_which_the_package_ran_out_is_found(acme):
    buy(acme, tokens_product(tokens=1000), now=at(1))
    record(report("a", input_tokens=900, output_tokens=0), report("b", occurred_at=at(11)))
    close()
    commit()
    assert found() == []
    alter("usage_usagerecord", f"occurred_at = '{at(9)}'", where="event_id = 'b'")

    assert "draw" in kinds()


def test_units_of_a_tpm_package_are_paid_for_each_day(acme):
    package = buy(acme, tpm_product(), units=3, periods=2, now=at(1))
    record(report("a"))
    close()
    commit()
    assert found() == []
    alter("invoices_packagepurchase", "quantity = 3, amount = 300")

    assert texts("purchase") == [
        f"{package.number} says quantity 3, it must be 6",
        f"{package.number} says amount 300.00, it must be 600.00",
    ]


@pytest.mark.parametrize(
    "forgery", ["ends_at = ends_at - interval '1 day'", "begins_at = begins_at + interval '1 hour'"]
)
def test_a_period_that_no_longer_covers_what_was_covered_is_found(forgery, acme):
    buy(acme, tokens_product(tokens=10_000, validity=1), now=at(1))
    record(report("a"))
    close()
    commit()
    assert found() == []
    alter("pricing_methodperiod", forgery, without="a_method_does_not_end_before_it_begins")

    assert {"draw", "package"} <= kinds()


def test_weights_that_were_altered_are_found(acme):
    weights = [("SenseChat-5", OUT, "2")]
    buy(acme, tokens_product(tokens=10_000, weights=weights), now=at(1))
    record(report("a"))
    close()
    commit()
    assert found() == []
    alter("pricing_packageweight", "weight = 3")

    assert texts("draw")[0].endswith("it must be 2500")


def test_what_a_released_hour_drew_is_verified_with_the_hour_of_its_seal(acme, settings):
    buy(acme, tokens_product(tokens=2000), now=at(1))
    settings.PARK_ABOVE_LINES = 1
    record(report("a"))
    close()
    settings.PARK_ABOVE_LINES = 100
    release(parked=ParkedHour.objects.get(), reason="Seen.", by=BY, now=at(5, hour=1))
    record(report("b", occurred_at=at(5, hour=1)), now=at(61, hour=1))
    close(hour=1)
    commit()
    assert found() == []
    draw = PackageDraw.objects.earliest("id")
    alter("invoices_packagedraw", 'tokens = tokens - 1, "left" = "left" + 1', where=f"id = {draw.pk}")

    assert {bill for what, bill, _ in found() if what == "draw"} == {
        f"{at(0, hour=hour):%Y%m%dT%HZ}-acme" for hour in (0, 1)
    }


@pytest.mark.parametrize(
    ("forgery", "constraint", "what"),
    [
        ("credited = 0.01", "a_credit_is_cut_off_to_the_fen", "credit"),
        ("customer_name = 'Globex'", "", "chain"),
    ],
)
def test_a_credit_that_was_altered_is_found(forgery, constraint, what, acme, settings):
    settings.PACKAGE_REFUNDS = "unused"
    order_refund(package=buy(acme, tokens_product(tokens=3), now=at(1)), by=BY, now=at(30))
    record(report(service="SenseChat"))
    close()
    commit()
    assert kinds() == set()

    alter("invoices_packagecredit", forgery, without=constraint)

    assert what in kinds()
