"""Package products change by rows as prices do: previewed, refused row by row, kept once they have begun."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import connection

from accounts.models import AuditEntry
from pricing.changes.apply import ChangesRefused, RowState, StalePreview, apply_rows, database_time, dry_run
from pricing.changes.rows import AT_ONCE, ItemWeight, PackageRow, cells_of, row_of
from pricing.changes.stored import all_rows
from pricing.models import PackageProduct, PackageTerms
from pricing.rules.measures import Measure
from pricing.rules.methods import BillingMethod
from pricing.rules.validity import ValidityUnit
from tests.builders import commit

pytestmark = pytest.mark.django_db

NOW = dt.datetime.now(dt.UTC)
A_DAY = dt.timedelta(days=1)
SOON, LATER = NOW + A_DAY, NOW + 2 * A_DAY
TWICE = ItemWeight(service="SenseChat-5", measure=Measure.OUTPUT_TOKENS, weight=Decimal(2))
TOKENS = PackageRow(
    product="SenseChat-5 10M",
    method=BillingMethod.TOKENS_PACKAGE,
    services=("SenseChat-5",),
    tokens=10_000_000,
    validity=1,
    validity_unit=ValidityUnit.MONTH,
    list_price=Decimal("400.00"),
    offer_price=Decimal("360.00"),
    rpm=60,
    tpm=128_000,
    weights=(TWICE,),
    begins_at=AT_ONCE,
)
TPM = PackageRow(
    product="SenseChat-5 TPM by day",
    method=BillingMethod.TPM_PACKAGE,
    services=("SenseChat-5",),
    validity=1,
    validity_unit=ValidityUnit.DAY,
    list_price=Decimal("50.00"),
    begins_at=AT_ONCE,
)


def apply(*rows, seen=None, reason="They are sold from now on."):
    changes = apply_rows(rows=rows, by="operator", reason=reason, now=NOW, seen=seen)
    commit()
    return changes


def preview(*rows):
    with dry_run(rows=rows, now=NOW) as outcome:
        return outcome


def states(changes):
    return [change.state for change in changes]


def terms(product=TOKENS.product):
    return list(PackageTerms.objects.filter(product__name=product).order_by("begins_at"))


def stored():
    return [row for row in all_rows() if isinstance(row, PackageRow)]


def test_terms_are_put_on_sale_at_once_with_all_that_they_cover():
    before = database_time()

    (change,) = apply(TOKENS)

    (row,) = stored()
    assert (change.state, change.row) == (RowState.NEW, row)
    assert row == replace(TOKENS, begins_at=row.begins_at)
    assert before <= row.begins_at <= database_time()


def test_terms_and_what_they_cover_are_signed_with_one_reason():
    apply(TOKENS)

    signed = AuditEntry.objects.filter(by="operator", reason="They are sold from now on.")
    assert set(signed.values_list("table", flat=True)) == {
        "pricing_packageproduct",
        "pricing_packageterms",
        "pricing_packageterms_services",
        "pricing_termsweight",
    }


def test_a_preview_of_terms_that_begin_at_once_is_that_of_their_application():
    seen = preview(TOKENS)

    assert stored() == []
    apply(TOKENS, seen=seen.fingerprint)

    assert len(stored()) == 1


def test_a_preview_is_stale_once_other_terms_of_the_product_are_there():
    scheduled = replace(TOKENS, begins_at=LATER)
    seen = preview(replace(TOKENS, begins_at=SOON, ends_at=LATER))
    apply(scheduled)

    with pytest.raises(StalePreview):
        apply(replace(TOKENS, begins_at=SOON, ends_at=LATER), seen=seen.fingerprint)


def test_scheduled_terms_change_and_cover_something_else():
    scheduled = replace(TOKENS, begins_at=SOON)
    other = replace(scheduled, services=("SenseChat",), groups=("SenseNova TTS Model",), weights=())
    apply(scheduled)

    assert states(apply(other)) == [RowState.CHANGED]

    assert stored() == [other]


def test_scheduled_terms_are_removed_and_their_product_with_the_last_of_them():
    scheduled = replace(TOKENS, begins_at=SOON)
    apply(scheduled)

    assert states(apply(replace(scheduled, remove=True))) == [RowState.REMOVED]

    assert not PackageProduct.objects.exists()


def test_terms_that_have_begun_can_only_end():
    apply(replace(TOKENS, begins_at=NOW - A_DAY))
    (begun,) = stored()

    ended = apply(replace(begun, ends_at=SOON))
    refused = [
        preview(replace(begun, **other)).changes[0]
        for other in (
            {"list_price": Decimal(500)},
            {"services": ("SenseChat",), "weights": ()},
            {"groups": ("General",)},
            {"weights": ()},
            {"remove": True},
        )
    ]

    assert states(ended) == [RowState.CHANGED]
    assert set(states(refused)) == {RowState.REFUSED}
    assert all(
        "For other terms, let these end and add ones that begin then." in one.reason for one in refused
    )


REFUSED = {
    "an unknown service": (replace(TOKENS, services=("SenseChat-9",)), "There is no service 'SenseChat-9'."),
    "an unknown group": (replace(TOKENS, groups=("Generals",)), "There is no service group 'Generals'."),
    "nothing covered": (replace(TOKENS, services=(), weights=()), "covers at least one service or group"),
    "no tokens": (replace(TOKENS, tokens=None), "holds at least 1 token"),
    "0 tokens": (replace(TOKENS, tokens=0), "holds at least 1 token"),
    "characters only": (
        replace(TOKENS, services=("nova-tts-1",), weights=()),
        "Nothing that it covers is charged in tokens.",
    ),
    "an offer above the list": (replace(TOKENS, offer_price=Decimal(401)), "not above the list price"),
    "fen of fen": (replace(TOKENS, list_price=Decimal("400.001")), "no more than 2 decimal places"),
    "below 0": (replace(TOKENS, offer_price=Decimal(-1)), "greater than or equal to 0"),
    "RPM alone": (replace(TOKENS, tpm=None), "Give both RPM and TPM, or neither."),
    "no validity": (replace(TOKENS, validity=0), "greater than or equal to 1"),
    "too many months": (replace(TOKENS, validity=121), "at most 120 months"),
    "a name with a line break": (replace(TOKENS, product="a\nb"), "must not hold control characters"),
    "ends before it begins": (replace(TOKENS, ends_at=SOON, begins_at=SOON), "must end after they begin"),
    "nothing to remove": (replace(TOKENS, begins_at=SOON, remove=True), "There is no such row to remove."),
    "TPM of two services": (
        replace(TPM, services=("SenseChat", "SenseChat-5")),
        "A TPM product covers exactly one service, and no group.",
    ),
    "TPM of a group": (replace(TPM, services=(), groups=("General",)), "exactly one service, and no group"),
    "TPM with tokens": (replace(TPM, tokens=5), "a unit is 10,000 TPM and 33 RPM"),
    "TPM with limits": (replace(TPM, rpm=5, tpm=5), "a unit is 10,000 TPM and 33 RPM"),
    "TPM with weights": (replace(TPM, weights=(TWICE,)), "a unit is 10,000 TPM and 33 RPM"),
    "TPM by two days": (replace(TPM, validity=2), "sold by the day or month: its validity is 1"),
    "TPM with an offer above": (replace(TPM, offer_price=Decimal(51)), "not above the list price"),
    "a weight of another service": (
        replace(TOKENS, services=("SenseChat",)),
        "SenseChat-5 is not covered, so its output_tokens have no weight.",
    ),
    "a weight of an item that is none": (
        replace(TOKENS, weights=(replace(TWICE, measure=Measure.CACHED_INPUT_TOKENS),)),
        "SenseChat-5 has no billing item cached_input_tokens.",
    ),
    "a weight of characters": (
        replace(
            TOKENS,
            services=("SenseChat", "nova-tts-1"),
            weights=(replace(TWICE, service="nova-tts-1", measure=Measure.INPUT_CHARACTERS),),
        ),
        "input_characters are not tokens",
    ),
    "a weight of nothing": (
        replace(TOKENS, weights=(replace(TWICE, weight=Decimal(0)),)),
        "is more than 0 and less than 1,000",
    ),
    "a weight of four decimals": (
        replace(TOKENS, weights=(replace(TWICE, weight=Decimal("1.0001")),)),
        "no more than 3 decimal places",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("row", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_says_why(row, reason):
    (change,) = preview(row).changes

    assert (change.state, reason in change.reason) == (RowState.REFUSED, True), change.reason


def test_a_product_keeps_its_billing_method():
    apply(TPM)

    (change,) = preview(replace(TOKENS, product=TPM.product, begins_at=SOON)).changes

    assert change.reason == (
        "SenseChat-5 TPM by day is a product of TPM Quota Package Prepaid: it keeps its billing method."
    )


def test_terms_begin_in_the_future_or_at_once():
    apply(TOKENS)

    (change,) = preview(replace(TOKENS, begins_at=NOW - A_DAY, ends_at=NOW - A_DAY / 2)).changes

    assert "Terms begin in the future, or at once" in change.reason


def test_terms_that_overlap_are_refused():
    apply(replace(TOKENS, begins_at=SOON))

    with pytest.raises(ChangesRefused, match="Other terms of this product are in force in that period"):
        apply(replace(TOKENS, begins_at=LATER))


def test_products_survive_being_written_as_cells_wiped_and_applied_with_their_past():
    group = replace(
        TOKENS, product="General", services=(), groups=("General",), weights=(), rpm=None, tpm=None
    )
    past = [replace(one, begins_at=NOW - 9 * A_DAY, ends_at=NOW - A_DAY) for one in (TOKENS, TPM, group)]
    apply(*past)
    apply(replace(TOKENS, begins_at=SOON), TPM)
    before = stored()
    wipe()
    assert stored() == []

    changes = apply(*(row_of(row.sheet, cells_of(row)) for row in before))

    assert set(states(changes)) == {RowState.NEW}
    assert (stored(), len(before)) == (before, 5)


def wipe():
    """Forget all products as nobody can who uses them: triggers would refuse."""
    tables = ("termsweight", "packageterms_services", "packageterms_groups", "packageterms", "packageproduct")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table in tables:
            cursor.execute(f"DELETE FROM pricing_{table}")  # noqa: S608  # names of ours
        cursor.execute("SET LOCAL session_replication_role = origin")
