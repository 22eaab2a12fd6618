"""Prices and call specifications lie in the years 1970 to 8999: beyond, other zones have no date."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest
from django.db import IntegrityError, connection
from django.test import Client
from django.urls import reverse

from pricing.changes.rows import SpecificationRow, cells_of, row_of
from pricing.files.formats import csv_file
from pricing.migrations import __file__ as migrations
from pricing.models import CallSpecification, Decision, Price, Proposal, Service
from pricing.rules.kinds import Kind
from tests.builders import commit, item, price
from tests.invoices.browsing import text
from tests.invoices.price_impact.test_price_admin import cheaper, do, show
from tests.pricing.files.test_admin import CHANGE, IN_FORCE, SOON, upload

pytestmark = pytest.mark.django_db

IN = ("SenseChat", "input_tokens")
TICK = dt.timedelta(microseconds=1)
FIRST, END = dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(9000, 1, 1, tzinfo=dt.UTC)
END_OF_TIME = dt.datetime(9999, 12, 31, tzinfo=dt.UTC)
OUTSIDE = "years 1970 to 8999"
OFFER = replace(IN_FORCE, kind=Kind.LIMITED_TIME_OFFER, begins_at=SOON)
LIMITS = SpecificationRow(service="SenseChat", customer="acme", rpm=9, begins_at=SOON)
OUTSIDE_THE_YEARS = {
    "begins before": (FIRST - TICK, None),
    "begins after": (END, None),
    "ends after": (SOON, END),
}


@pytest.mark.parametrize("period", OUTSIDE_THE_YEARS.values(), ids=OUTSIDE_THE_YEARS)
def test_the_database_keeps_prices_within_the_years(period, acme):
    begins_at, ends_at = period

    with pytest.raises(IntegrityError, match="a_price_lies_in_the_years_1970_to_8999"):
        price(*IN, "0.01", begins_at=begins_at, ends_at=ends_at, customer=acme)


@pytest.mark.parametrize("period", OUTSIDE_THE_YEARS.values(), ids=OUTSIDE_THE_YEARS)
def test_the_database_keeps_call_specifications_within_the_years(period, acme):
    begins_at, ends_at = period
    service = Service.objects.get(name="SenseChat")

    with pytest.raises(IntegrityError, match="a_call_specification_lies_in_the_years_1970_to_8999"):
        CallSpecification.objects.create(
            service=service, customer=acme, rpm=1, begins_at=begins_at, ends_at=ends_at
        )


def test_the_first_and_the_last_instant_that_there_are_can_be_written_and_kept(acme):
    row = replace(OFFER, customer="acme", begins_at=FIRST, ends_at=END - TICK)
    price(*IN, "0.01", begins_at=FIRST, ends_at=END - TICK, customer=acme)

    assert row_of(row.sheet, cells_of(row)) == row


ROWS = {
    "an end": replace(OFFER, ends_at=END_OF_TIME),
    "a beginning": replace(OFFER, begins_at=END_OF_TIME),
    "a beginning before": replace(OFFER, customer="acme", begins_at=FIRST - TICK),
    "an end of a call specification": replace(LIMITS, ends_at=END),
    "a beginning of a call specification": replace(LIMITS, begins_at=dt.datetime(1, 1, 1, tzinfo=dt.UTC)),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_file_is_told_which_years_there_are(row, operator_client, acme):
    shown = upload(operator_client, csv_file([row]))

    (refusal,) = shown.context["refusals"]
    assert (OUTSIDE in refusal.reason, refusal.what) in {(True, "begins_at"), (True, "ends_at")}


ASKED = {
    "change_price": {"ends_at": "9999-12-31T00:00"},
    "start_trial": {"begins_at": "0001-01-01T00:00"},
    "announce_offer": {"ends_at": "9000-01-01T00:00", "percent_off": "20"},
    "end_price": {"ends_at": "9999-12-31T23:59"},
    "put_on_sale": {"begins_at": "1969-12-31T23:59"},
}


@pytest.mark.parametrize(("deed", "asked"), ASKED.items(), ids=ASKED)
def test_the_form_of_a_deed_says_which_years_there_are(deed, asked, operator_client):
    shown = show(operator_client, deed, cheaper(**asked))

    errors = [
        error
        for name in ("begins_at", "ends_at")
        for error in shown.context["price_form"].errors.get(name, [])
    ]
    assert (shown.status_code, [OUTSIDE in error for error in errors]) == (200, [True])


def test_the_form_of_a_call_specification_says_which_years_there_are(operator_client):
    service = Service.objects.get(name="SenseChat").pk
    sent = {"service": service, "customer": "", "rpm": 5, "reason": "Why not."}
    sent |= {
        "begins_at_0": "9998-01-01",
        "begins_at_1": "00:00",
        "ends_at_0": "9999-12-31",
        "ends_at_1": "00:00",
    }

    answer = operator_client.post(reverse("admin:pricing_callspecification_add"), sent)

    assert (answer.status_code, OUTSIDE in text(answer)) == (200, True)


def test_the_last_end_that_there_is_shows_on_every_page(operator_client):
    trial = {"kind": "free_trial", "unit_price": "0", "ends_at": "8999-12-31T23:59"}

    done = do(operator_client, "change_price", cheaper(**trial))
    pages = [
        reverse("prices"),
        reverse("api_catalog"),
        reverse("admin:pricing_price_changelist"),
        reverse("admin:pricing_billingitem_change", args=[item(*IN).pk]),
        reverse("change_price", query={"show": 1, **cheaper()}),
    ]

    assert "Done: Change SenseChat input tokens" in text(done)
    assert [operator_client.get(page).status_code for page in pages] == [200] * len(pages)


def test_a_proposal_of_an_instant_beyond_is_not_approved(operator_client, settings):
    settings.PRICE_CHANGES_NEED_APPROVAL = True
    cells = {"sheet": "prices", **cells_of(CHANGE[0]), "ends_at": "9999-12-31T00:00:00Z"}
    made = Proposal.objects.create(
        deed="Far", rows=[cells], reason="x", proposed_by="somebody@sensenova.example", proposed_at=SOON
    )

    page = reverse("admin:pricing_proposal_change", args=[made.pk])
    answer = operator_client.post(page, {"decision": "approved"}, follow=True)

    made.refresh_from_db()
    assert (answer.status_code, made.decision) == (200, Decision.NONE)
    assert OUTSIDE in text(answer)


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59+14:00", "0001-01-01T00:00:00Z"])
def test_programs_may_ask_for_any_instant(at):
    usage = {"usage": [{"service": "SenseChat", "input_tokens": 1}], "at": at}

    catalog = Client().get(reverse("api_catalog"), {"at": at})
    estimate = Client().post(reverse("api_estimates"), usage, content_type="application/json")

    assert (catalog.status_code, estimate.status_code) == (200, 422 if at.startswith("0001") else 200)


# --- What was there before the rule --------------------------------------------------------------------


def before_the_rule():
    """Take the rules away, as they were not there, in the transaction of the test."""
    commit()
    with connection.cursor() as cursor:
        for table, what in (("price", "a_price"), ("callspecification", "a_call_specification")):
            cursor.execute(
                f"ALTER TABLE pricing_{table} DROP CONSTRAINT {what}_lies_in_the_years_1970_to_8999"
            )
        # It came only after that one.
        cursor.execute(
            "ALTER TABLE pricing_callspecification "
            "DISABLE TRIGGER a_begun_call_specification_only_moves_its_end"
        )


def migrate():
    """Run what the migration does with the rows."""
    commit()
    with connection.cursor() as cursor:
        cursor.execute((Path(migrations).parent / "0007_years.sql").read_text())


def periods(model, customer):
    return [
        *model.objects.filter(customer=customer).order_by("begins_at").values_list("begins_at", "ends_at")
    ]


def test_what_reached_beyond_the_years_is_cut_there_and_nothing_within_changes(acme):
    before_the_rule()
    year_1 = FIRST.replace(year=1)
    for begins_at, ends_at in ((year_1, FIRST - TICK), (FIRST - TICK, SOON), (SOON, END), (END, None)):
        price(*IN, "0.01", begins_at=begins_at, ends_at=ends_at, customer=acme)

    migrate()

    assert periods(Price, acme) == [(FIRST, SOON), (SOON, None)]


def test_call_specifications_that_reached_beyond_are_cut_as_well(acme):
    before_the_rule()
    service = Service.objects.get(name="SenseChat")
    for begins_at, ends_at in ((FIRST - TICK, SOON), (SOON, END_OF_TIME), (END_OF_TIME, None)):
        CallSpecification.objects.create(
            service=service, customer=acme, rpm=1, begins_at=begins_at, ends_at=ends_at
        )

    migrate()

    assert periods(CallSpecification, acme) == [(FIRST, SOON), (SOON, None)]


def test_a_price_for_everybody_whose_successor_was_beyond_goes_on(operator_client):
    before_the_rule()
    Price.objects.filter(billing_item=item(*IN)).update(ends_at=END_OF_TIME)
    price(*IN, "9", begins_at=END_OF_TIME)

    migrate()

    assert [one.ends_at for one in item(*IN).prices.all()] == [None]
