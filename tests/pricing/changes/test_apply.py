"""Rows that change the catalogue: a preview shows what the database would do, and does nothing."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import connection

from pricing.catalogue.initial import BEGINS_AT
from pricing.changes.apply import ChangesRefused, RowState, apply_rows, dry_run
from pricing.changes.rows import AliasRow, PriceRow, ServiceRow, SpecificationRow, cells_of, row_of
from pricing.changes.stored import all_rows
from pricing.models import Price, Service, ServiceGroup
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from tests.builders import commit, item, price

pytestmark = pytest.mark.django_db

NOW = dt.datetime.now(dt.UTC)
A_DAY = dt.timedelta(days=1)
SOON, LATER = NOW + A_DAY, NOW + 2 * A_DAY
IN_FORCE = PriceRow(
    service="SenseChat",
    measure=Measure.INPUT_TOKENS,
    kind=Kind.LIST_PRICE,
    unit_price=Decimal("0.012"),
    unit_size=1000,
    begins_at=BEGINS_AT,
)
CHEAPER = replace(IN_FORCE, unit_price=Decimal("0.01"), begins_at=SOON)
CHANGE = [replace(IN_FORCE, ends_at=SOON), CHEAPER]


def apply(rows, reason="to test"):
    return apply_rows(rows=rows, by="operator", reason=reason, now=NOW, confirmed=True)


def preview(rows):
    with dry_run(rows=rows, now=NOW) as outcome:
        return outcome.changes


def states(changes):
    return [change.state for change in changes]


def test_a_change_of_a_price_is_an_end_and_a_beginning():
    changes = apply(CHANGE)
    commit()

    assert states(changes) == [RowState.CHANGED, RowState.NEW]
    assert changes[0].before == IN_FORCE
    assert Price.objects.in_force(at=SOON).get(
        billing_item=item("SenseChat", "input_tokens")
    ).unit_price == Decimal("0.01")


def test_the_order_of_the_rows_does_not_matter():
    assert states(apply(CHANGE[::-1])) == [RowState.NEW, RowState.CHANGED]


def test_a_preview_changes_nothing():
    before = all_rows()

    assert states(preview(CHANGE)) == [RowState.CHANGED, RowState.NEW]

    assert all_rows() == before


def test_rows_that_are_stored_already_change_nothing():
    assert set(states(apply(all_rows()))) == {RowState.UNCHANGED}


def test_a_plan_is_the_same_after_services_have_changed_places():
    rows = [CHEAPER, replace(CHEAPER, service="SenseChat-32K")]
    with dry_run(rows=rows, now=NOW) as before:
        pass

    Service.objects.filter(name="SenseChat").update(position=1_000)

    with dry_run(rows=rows, now=NOW) as after:
        assert after == before


def test_one_refused_row_refuses_all():
    before = all_rows()

    with pytest.raises(ChangesRefused, match="There is no service 'SenseChat-9'"):
        apply([*CHANGE, replace(CHEAPER, service="SenseChat-9")])

    assert all_rows() == before


def test_a_refusal_says_each_reason_once():
    unknown = replace(CHEAPER, service="SenseChat-9")

    with pytest.raises(ChangesRefused) as refused:
        apply([unknown, replace(unknown, begins_at=LATER), replace(CHEAPER, remove=True)])

    assert str(refused.value) == "There is no service 'SenseChat-9'. There is no such row to remove."


def test_a_gap_is_named_with_its_item_and_time():
    (change,) = preview([replace(IN_FORCE, ends_at=SOON)])

    assert change.state == RowState.REFUSED
    missing = "SenseChat: input tokens would be without a price for everybody"
    assert change.reason == f"{missing} from {SOON:%Y-%m-%d %H:%M:%S} UTC on."


def test_a_gap_that_ends_says_when(acme):
    rows = [replace(IN_FORCE, ends_at=SOON), replace(CHEAPER, begins_at=LATER)]

    reasons = {change.reason for change in preview(rows)}

    assert reasons == {
        f"SenseChat: input tokens would be without a price for everybody from {SOON:%Y-%m-%d %H:%M:%S} UTC "
        f"until {LATER:%Y-%m-%d %H:%M:%S} UTC."
    }


def test_beside_a_gap_each_row_says_what_is_wrong_with_itself():
    gap, negative = preview([replace(IN_FORCE, ends_at=SOON), replace(CHEAPER, unit_price=Decimal(-1))])

    assert "would be without a price for everybody" in gap.reason
    assert "is 0 or more" in negative.reason


def test_an_overlap_names_the_other_price():
    (change,) = preview([CHEAPER])

    assert change.reason == (
        "Another list price of this item is in force in that period. "
        "0.012 RMB/thousand tokens, from 2023-01-01 00:00 UTC."
    )


BEGUN = SpecificationRow(service="SenseChat", rpm=60, tpm=128_000, begins_at=BEGINS_AT)
REFUSED = {
    "begins in the past": (replace(CHEAPER, begins_at=NOW), "A price begins in the future"),
    "a begun price is edited": (replace(IN_FORCE, unit_price=Decimal(1)), "only its end can still be moved"),
    "ends before it begins": (replace(CHEAPER, ends_at=SOON), "end after it begins"),
    "nine decimals": (replace(CHEAPER, unit_price=Decimal("0.000000001")), "no more than 8 decimal places"),
    "below 0": (replace(CHEAPER, unit_price=Decimal(-1)), "is 0 or more"),
    "a million": (replace(CHEAPER, unit_price=Decimal(10**6)), "less than 1,000,000 RMB"),
    "an odd unit size": (replace(CHEAPER, unit_size=7), "not a valid choice"),
    "an unknown kind": (replace(CHEAPER, kind="gift"), "not a valid choice"),
    "a trial that costs": (replace(CHEAPER, kind=Kind.FREE_TRIAL), "A free trial costs 0."),
    "an unknown customer": (replace(CHEAPER, customer="nobody"), "There is no customer 'nobody'."),
    "nothing to remove": (replace(CHEAPER, remove=True), "There is no such row to remove."),
    "an unknown service": (AliasRow(alias="x", service="y"), "There is no service 'y'."),
    "an unknown group": (ServiceRow(name="x", group="y", position=1), "There is no service group 'y'."),
    "a begun call specification is taken back": (replace(BEGUN, remove=True), "let it end and add one"),
    "a begun call specification is edited": (replace(BEGUN, rpm=61), "only its end can still be moved"),
    "no calls a minute": (SpecificationRow(service="SenseChat", rpm=0, begins_at=SOON), "or equal to 1"),
}  # fmt: skip


@pytest.mark.parametrize(("row", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_says_why(row, reason):
    (change,) = preview([row])

    assert (change.state, reason in change.reason) == (RowState.REFUSED, True), change.reason


def test_a_row_that_is_stated_twice_is_refused():
    changes = preview([*CHANGE, replace(CHEAPER, unit_price=Decimal("0.02"))])

    assert changes[-1].reason == "This row is given twice."


def test_a_scheduled_price_may_be_edited_and_removed(acme):
    own = replace(CHEAPER, customer="acme")
    apply([own])

    assert states(apply([replace(own, unit_price=Decimal("0.02"))])) == [RowState.CHANGED]
    assert states(apply([replace(own, remove=True)])) == [RowState.REMOVED]
    assert not Price.objects.filter(customer=acme).exists()


def test_a_call_specification_is_followed_by_another_and_that_taken_back():
    other = replace(BEGUN, rpm=90, begins_at=SOON)

    assert states(apply([replace(BEGUN, ends_at=SOON), other])) == [RowState.CHANGED, RowState.NEW]
    assert states(apply([replace(other, remove=True), BEGUN])) == [RowState.REMOVED, RowState.CHANGED]


def test_a_new_item_is_put_on_sale_by_its_first_price_even_a_past_one():
    first = replace(IN_FORCE, measure=Measure.INPUT_CHARACTERS)

    assert states(apply([first])) == [RowState.NEW]
    commit()

    assert item("SenseChat", "input_characters").prices.get().begins_at == BEGINS_AT


def test_the_whole_catalogue_survives_being_written_as_cells_wiped_and_applied(acme):
    price(
        "SenseChat", Measure.INPUT_TOKENS, "0.00000001", begins_at=NOW + A_DAY / 3, customer=acme, unit_size=1
    )
    cells = [(row.sheet, cells_of(row)) for row in all_rows()]
    before = all_rows()
    wipe()
    assert all_rows() == []

    changes = apply([row_of(sheet, texts) for sheet, texts in cells])
    commit()

    assert set(states(changes)) == {RowState.NEW}
    assert all_rows() == before


def wipe():
    """Empty the catalogue as nobody can who uses the product: its triggers would refuse."""
    tables = ServiceGroup._meta.db_table, Price._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table in (tables[1], "pricing_callspecification", "pricing_servicealias", "pricing_billingitem"):
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608  # names of ours
        cursor.execute("DELETE FROM pricing_service")
        cursor.execute("DELETE FROM pricing_servicegroup")
        cursor.execute("SET LOCAL session_replication_role = origin")
