"""What packages covered and what was drawn on them, altered behind the books' back, is found."""

import pytest
from django.db import connection

from invoices.models import ChargeLine
from pricing.models import QuotaPackage
from tests.builders import at, close, commit, record, report
from tests.conftest import make_acme
from tests.invoices.books.builders import BY, alter, behind_its_back, delete, found, kinds
from tests.packages import buy, tokens_product
from usage.ingest.reversals import reverse_record

pytestmark = pytest.mark.django_db

IN, OUT = "input_tokens", "output_tokens"
RULE = "a_draw_leaves_what_there_was_without_it_and_never_less_than_0"


@pytest.fixture(scope="module", autouse=True)
def drawn_once(shared_stage):
    """All tests here find these books."""
    return shared_stage(draw_and_run_out)


def draw_and_run_out():
    """Acme's package of 1,000 tokens gives 400, has them back, and runs out in the third hour."""
    acme = make_acme()
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
    return package.pk, other.pk


@pytest.fixture
def drawn(drawn_once):
    """The package that ran out, and the other one."""
    return [QuotaPackage.objects.get(pk=pk) for pk in drawn_once]


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
