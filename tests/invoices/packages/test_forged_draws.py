"""What packages covered and what was drawn on them, altered behind the books' back, is found."""

import pytest
from django.db import connection

from invoices.closing.parking import release
from invoices.models import ChargeLine, PackageDraw, ParkedHour
from invoices.packages.after_sale.refund import order_refund
from tests.builders import at, close, commit, record, report
from tests.invoices.books.builders import BY, alter, behind_its_back, delete, found, kinds
from tests.packages import buy, tokens_product, tpm_product
from usage.ingest.reversals import reverse_record

pytestmark = pytest.mark.django_db

IN, OUT = "input_tokens", "output_tokens"
RULE = "a_draw_leaves_what_there_was_without_it_and_never_less_than_0"


@pytest.fixture
def drawn(acme):
    """Acme's package of 1,000 tokens gives 400, has them back, and runs out in the third hour."""
    package = buy(acme, tokens_product(tokens=1000), now=at(1))
    other = buy(acme, tokens_product("more", 100_000, services=["SenseChat"], validity=60), now=at(2))
    record(report("a", input_tokens=300, output_tokens=100), report("b", service="SenseChat"))
    close()
    reverse_record(customer=acme, event_id="a", reason="A test run.", by=BY, now=at(10, hour=1))
    close(hour=1)
    record(report("c", occurred_at=at(10, hour=2), input_tokens=700, output_tokens=500), now=at(61, hour=2))
    close(hour=2)
    commit()
    assert found() == []
    return package, other


def texts(what):
    """What is found of this kind, in words."""
    return [text for one, _, text in found() if one == what]


def test_more_drawn_than_was_covered_is_found(drawn):
    package, _ = drawn
    alter("invoices_packagedraw", 'tokens = 410, "left" = 590', where="left_before = 1000 AND tokens = 400")

    assert texts("draw") == [
        f"draws 410 tokens of {package.number}, it must be 400",
        f"says left 590 of {package.number}, it must be 600",
        f"says left_before 600 of {package.number}, it must be 590",
        f"says left 1000 of {package.number}, it must be 990",
    ]


@pytest.mark.parametrize(
    "forgery",
    [
        "tokens = tokens - 1",
        "tokens = tokens + 0.001",
        '"left" = "left" + 1',
        '"left" = -1',
        "left_before = left_before + 1",
        'left_before = left_before + 1, "left" = "left" + 1',
        "ran_out_at = ran_out_at + interval '1 second'",
        "ran_out_event_id = 'b'",
        "ran_out_measure = 'input_tokens'",
        "ran_out_quantity = ran_out_quantity + 1",
        "ran_out_at = NULL, ran_out_event_id = NULL, ran_out_measure = '', ran_out_quantity = 0",
        "package_id = (SELECT max(id) FROM pricing_quotapackage)",
        "bill_id = bill_id - 1",
    ],
)
def test_a_forged_draw_is_found(forgery, drawn):
    alter("invoices_packagedraw", forgery, where="ran_out_quantity = 300", without=RULE)

    assert "draw" in kinds()


@pytest.mark.parametrize("which", ["is_return", "ran_out_quantity = 300", "tokens = 1500"])
def test_a_draw_that_was_deleted_is_found(which, drawn):
    delete("invoices_packagedraw", where=which)

    assert any(text.startswith("nothing ") for text in texts("draw"))


def test_a_draw_that_no_call_explains_is_found(drawn):
    package, other = drawn
    columns = 'is_return, tokens, left_before, "left", ran_out_measure, ran_out_quantity'
    behind_its_back(
        "invoices_packagedraw",
        f"""INSERT INTO invoices_packagedraw (package_id, bill_id, {columns})
            SELECT {other.pk}, max(bill_id), false, 7, 98500, 98493, '', 0 FROM invoices_packagedraw""",  # noqa: S608
    )

    assert texts("draw") == [f"draws 7 tokens of {other.number} that no record explains"]


def test_a_line_that_names_another_package_is_found(drawn):
    package, other = drawn
    line = ChargeLine.objects.filter(package=package, measure=IN, correction="").latest("id")
    alter("invoices_chargeline", f"package_id = {other.pk}", where=f"id = {line.pk}")

    assert texts("package") == [f"names package {other.pk}, it must be package {package.pk}"]


def test_a_line_that_names_no_package_any_more_is_found(drawn):
    package, _ = drawn
    line = ChargeLine.objects.filter(package=package, measure=IN, correction="").latest("id")
    alter("invoices_chargeline", "package_id = NULL", where=f"id = {line.pk}")

    assert texts("package") == [f"names no package, it must be package {package.pk}"]


def test_tokens_moved_from_what_was_charged_to_what_was_covered_are_found(drawn):
    package, _ = drawn
    covered = "correction = '' AND measure = 'output_tokens' AND usage_hour = "
    there = f"'{at(0, hour=2)}' AND package_id"
    alter("invoices_chargeline", "quantity = 400", where=f"{covered}{there} = {package.pk}")
    alter("invoices_chargeline", "quantity = 100, amount = 0.01", where=f"{covered}{there} IS NULL")

    assert {"billed twice", "unbilled", "amount"} <= kinds()


def test_a_call_that_was_moved_before_the_one_at_which_the_package_ran_out_is_found(acme):
    buy(acme, tokens_product(tokens=1000), now=at(1))
    record(report("a", input_tokens=900, output_tokens=0), report("b", occurred_at=at(11)))
    close()
    commit()
    assert found() == []
    alter("usage_usagerecord", f"occurred_at = '{at(9)}'", where="event_id = 'b'")

    assert "draw" in kinds()


@pytest.mark.parametrize(
    ("table", "forgery"),
    [
        ("pricing_quotapackage", "tokens = tokens + 1"),
        ("pricing_quotapackage", "expires_at = expires_at + interval '1 day'"),
        ("pricing_packageterms", "list_price = list_price + 1"),
        ("invoices_packagepurchase", "quantity = 2, amount = 2 * amount"),
        ("invoices_packagepurchase", "price = price - 1, amount = (price - 1) * quantity"),
        ("invoices_packagepurchase", "list_price = list_price + 1"),
    ],
)
def test_a_forged_purchase_is_found(table, forgery, drawn):
    alter(table, forgery)

    assert "purchase" in kinds()


def test_a_purchase_without_its_document_is_found(drawn):
    package, _ = drawn
    delete("invoices_packagepurchase", where=f"package_id = {package.pk}")

    assert texts("purchase") == [f"{package.number} has no document"]


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
    ("table", "trigger"),
    [
        ("invoices_packagedraw", "draws_are_append_only"),
        ("invoices_packagepurchase", "purchases_are_append_only"),
        ("pricing_quotapackage", "a_package_only_ends"),
        ("pricing_packageweight", "a_package_keeps_its_weights"),
        ("pricing_methodperiod", "a_method_period_only_ends_earlier"),
    ],
)
def test_a_guard_of_packages_that_is_missing_is_found(table, trigger, drawn):
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {trigger} ON {table}")

    assert texts("guard") == [f"the trigger {trigger} of {table} is missing"]


def test_the_seal_covers_draws(drawn):
    alter("invoices_packagedraw", "ran_out_quantity = 299", where="ran_out_quantity = 300")

    assert kinds() == {"draw", "chain"}


def test_the_seal_covers_the_packages_of_lines(drawn):
    package, other = drawn
    alter("invoices_chargeline", f"package_id = {other.pk}", where=f"package_id = {package.pk}")

    assert "chain" in kinds()


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
