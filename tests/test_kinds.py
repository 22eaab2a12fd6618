"""Each kind of price is taken everywhere; docs/architecture.md, "To add a kind of price", says what to do.

`tests/sensenova_billing/test_inventions.py` runs this with an invented kind.
"""

import datetime as dt
import json
import re
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from invoices.books import expected
from invoices.books.rerun import repeat_rating
from invoices.books.verify import verify_books
from invoices.models import ChargeLine
from invoices.price_impact.simulate import price_effects
from pricing.admin import KINDS
from pricing.catalogue.offering import fact_of, facts_of
from pricing.changes.apply import apply_rows
from pricing.changes.rows import PriceRow
from pricing.changes.stored import all_rows
from pricing.files.formats import csv_file, read_rows
from pricing.models import Price
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from pricing.rules.precedence import price_in_force
from pricing.timeline.differences import PriceComparison, PriceInterval
from tests.builders import THE_HOUR, at, close, item, record, report
from tests.invoices.browsing import text
from tests.invoices.rating import test_price_histories
from tests.tables import DOCS, table

pytestmark = pytest.mark.django_db

EACH = pytest.mark.parametrize("kind", Kind)
CHAT = ("SenseChat", Measure.INPUT_TOKENS)
# Each kind has a price of its own, in RMB per thousand.
PRICES = {kind: Decimal(0 if kind == Kind.FREE_TRIAL else place) for place, kind in enumerate(Kind, start=1)}


def put(kind, *, customer=None, begins_at=THE_HOUR):
    """Put a price of this kind into force for SenseChat's input tokens."""
    return Price.objects.create(
        billing_item=item(*CHAT), kind=kind, customer=customer, unit_price=PRICES[kind], begins_at=begins_at
    )


def billed():
    """The charge line of a call of Acme, once its hour is closed."""
    record(report(service=CHAT[0], input_tokens=1000, output_tokens=0))
    close()
    return ChargeLine.objects.select_related("bill").get(measure=CHAT[1])


@EACH
def test_every_place_that_chooses_a_price_chooses_it_before_the_later_ones(acme, kind):
    own = [put(later, customer=acme) for later in reversed(list(Kind)[list(Kind).index(kind) :])]
    own_ids = {price.kind: price.pk for price in own}

    in_python = price_in_force(facts_of(item(*CHAT)), customer=acme.pk, at=at(10))
    in_queries = Price.objects.in_force(at=at(10)).filter(customer=acme).by_precedence().first()
    effect = effect_of_usage(acme)
    line = billed()

    assert in_python is not None
    assert in_queries is not None
    assert {in_python.id, in_queries.pk, line.price_id} == {own_ids[kind]}
    assert (effect, line.amount) == (PRICES[kind], PRICES[kind])
    assert verify_books(besides=repeat_rating).findings.first == []


def effect_of_usage(customer):
    """What a call of 1,000 tokens cost by the SQL that shows the effect of a change of prices."""
    record(report("effect", service=CHAT[0], input_tokens=1000, output_tokens=0, occurred_at=at(11, hour=1)),
           now=at(15, hour=1))  # fmt: skip
    price = fact_of(Price.objects.filter(customer=customer).latest("pk"))
    interval = PriceInterval(at(0), None, {(item(*CHAT).pk, customer.pk): PriceComparison(price, price)})
    found = price_effects(items=[item(*CHAT)], intervals=[interval], since=at(0), until=at(120))
    return found[0].costs.cost


@EACH
def test_an_own_price_of_any_kind_counts_before_everybodys_of_the_first(acme, kind):
    put(next(iter(Kind)))
    own = put(kind, customer=acme)

    assert billed().price_id == own.pk
    assert verify_books(besides=repeat_rating).findings.first == []


def test_the_second_opinion_and_the_model_of_histories_have_the_same_order():
    # Both are written by hand so that they do not share a mistake.
    assert tuple(map(str, Kind)) == expected.KINDS
    assert tuple(map(str, Kind)) == test_price_histories.KINDS


@EACH
def test_the_bill_names_it(alice_client, acme, kind):
    put(kind, customer=acme)
    line = billed()

    page = alice_client.get(reverse("bill", args=[line.bill.number])).content.decode()

    assert f'<span class="pill {kind.badge}">{kind.label}</span>' in page
    assert line.get_price_kind_display() == kind.label


@EACH
def test_the_price_page_and_its_calculator_name_it(kind):
    if kind != Kind.LIST_PRICE:
        put(kind)

    page = Client().get(reverse("prices"), {"service": "SenseChat", "input_tokens": "1000"})
    html = page.content.decode()
    (script,) = re.findall(r'id="calculator-words"[^>]*>(.*?)</script>', html)

    assert f'<span class="pill {kind.badge}">{kind.label}</span>' in html
    assert [line.price.kind for line in page.context["estimate"].lines] == [kind]
    assert json.loads(script)["kinds"][kind] == {"label": kind.label, "badge": kind.badge}


@EACH
def test_the_words_of_a_price_tell_it_from_the_others(kind):
    words = {Price(billing_item=item(*CHAT), kind=one, unit_price=Decimal(1)).text for one in Kind}

    assert len(words) == len(Kind)


@EACH
def test_the_catalogue_of_the_api_names_it(kind):
    if kind != Kind.LIST_PRICE:
        put(kind)

    groups = Client().get(reverse("api_catalog")).json()["groups"]

    services = [service for group in groups for service in group["services"] if service["name"] == CHAT[0]]
    assert services[0]["billing_items"][0]["price"]["kind"] == kind


@EACH
def test_the_admin_names_it_in_lists_forms_and_the_timeline(operator_client, acme, kind):
    price = put(kind, customer=acme)

    listed = operator_client.get(reverse("admin:pricing_price_changelist"), {"kind": kind})
    form = operator_client.get(reverse("change_price"))
    drawn = operator_client.get(reverse("admin:pricing_billingitem_change", args=[price.billing_item_id]))

    assert kind.label in text(listed)
    assert f'<option value="{kind}"' in form.content.decode()
    assert f"{kind.label}, acme only" in text(drawn)
    assert KINDS[kind.label] == kind.badge


@EACH
def test_a_catalogue_file_carries_it_out_and_in(acme, kind):
    tomorrow = timezone.now() + dt.timedelta(days=1)
    row = PriceRow(
        service=CHAT[0], measure=CHAT[1], customer="acme", kind=kind, unit_price=PRICES[kind], unit_size=1000,
        begins_at=tomorrow,
    )  # fmt: skip

    reading = read_rows(data=csv_file([*all_rows(), row]), name="prices.csv")
    apply_rows(
        rows=[stated.row for stated in reading.stated],
        by="operator",
        reason="A test.",
        now=timezone.now(),
        confirmed=True,
    )

    assert reading.problems == []
    assert acme.prices.get().kind == kind


@EACH
def test_the_documentation_names_it(kind):
    worked = {row[1] for row in table("pricing.md", "price", "kind", "for")}

    assert f"`{kind}`" in (DOCS / "catalogue-files.md").read_text(encoding="utf-8")
    assert f"*{kind.label}*" in (DOCS / "pricing.md").read_text(encoding="utf-8")
    assert kind.label in worked
