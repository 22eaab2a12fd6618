"""The price page, row by row and worded as it words them, against the database."""

import datetime as dt
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command

from pricing.catalogue.initial import load_catalogue
from pricing.models import BillingItem, CallSpecification, Price, Service, ServiceGroup
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from tests.builders import item

pytestmark = pytest.mark.django_db

LLM = "SenseNova LLM"
CANTONESE = "General - Cantonese Version"
MULTIMODAL = "SenseNova Multimodal Large Model"
TTS = "SenseNova TTS Model"
EMBEDDING = "SenseNova Embedding Model"
ROLE_PLAY = "SenseNova Role-play Model"
TRIAL = "Free trial for a limited time"

# Copied by hand from the page, from top to bottom: heading, heading below it, service, billing item, price.
PAGE = [
    (LLM, "General", "SenseChat-5", "Input tokens", "0.04 RMB/thousand tokens (limited-time offer)"),
    (LLM, "General", "SenseChat-5", "Output tokens", "0.1 RMB/thousand tokens"),
    (LLM, "General", "SenseChat", "Input tokens", "0.012 RMB/thousand tokens"),
    (LLM, "General", "SenseChat", "Output tokens", "0.012 RMB/thousand tokens"),
    (LLM, "General", "SenseChat-32K", "Input tokens", "0.036 RMB/thousand tokens"),
    (LLM, "General", "SenseChat-32K", "Output tokens", "0.036 RMB/thousand tokens"),
    (LLM, "General", "SenseChat-128K", "Input tokens", "0.06 RMB/thousand tokens"),
    (LLM, "General", "SenseChat-128K", "Output tokens", "0.06 RMB/thousand tokens"),
    (LLM, "General", "SenseChat-Turbo", "Input tokens", "0.002 RMB/thousand tokens (limited-time offer)"),
    (LLM, "General", "SenseChat-Turbo", "Output tokens", "0.005 RMB/thousand tokens"),
    (LLM, CANTONESE, "SenseChat-5-Cantonese", "Input tokens", "0.027 RMB/thousand tokens"),
    (LLM, CANTONESE, "SenseChat-5-Cantonese", "Output tokens", "0.027 RMB/thousand tokens"),
    (MULTIMODAL, MULTIMODAL, "SenseChat-Vision", "Input tokens", TRIAL),
    (MULTIMODAL, MULTIMODAL, "SenseChat-Vision", "Output tokens", TRIAL),
    (TTS, TTS, "nova-tts-1", "Input characters", TRIAL),
    (EMBEDDING, EMBEDDING, "nova-embedding-stable", "Input tokens", "0.0005 RMB/thousand tokens"),
    (ROLE_PLAY, ROLE_PLAY, "SenseChat-Character-Pro", "Input tokens", "0.015 RMB/thousand tokens"),
    (ROLE_PLAY, ROLE_PLAY, "SenseChat-Character-Pro", "Output tokens", "0.015 RMB/thousand tokens"),
    (ROLE_PLAY, ROLE_PLAY, "SenseChat-Character", "Input tokens", "0.012 RMB/thousand tokens"),
    (ROLE_PLAY, ROLE_PLAY, "SenseChat-Character", "Output tokens", "0.012 RMB/thousand tokens"),
]

LIMITS = {
    "SenseChat-5": (60, 128_000),
    "SenseChat": (60, 128_000),
    "SenseChat-32K": (60, 128_000),
    "SenseChat-128K": (60, 128_000),
    "SenseChat-Turbo": (60, 128_000),
    "SenseChat-5-Cantonese": (60, 128_000),
    "SenseChat-Vision": (60, 128_000),
    "nova-tts-1": (60, None),
    "nova-embedding-stable": (60, 128_000),
    "SenseChat-Character-Pro": (60, None),
    "SenseChat-Character": (60, 128_000),
}


def everything():
    """Every row of every table that the catalogue fills."""
    models = (ServiceGroup, Service, BillingItem, Price, CallSpecification)
    return {model: [*model.objects.order_by("pk").values()] for model in models}


@pytest.mark.parametrize(("family", "group", "service", "measured", "text"), PAGE, ids=lambda cell: cell)
def test_a_row_of_the_price_page_is_on_sale_as_worded(family, group, service, measured, text):
    sold = BillingItem.objects.get(service__name=service, measure=measured.lower().replace(" ", "_"))

    price = sold.prices.get()

    assert (sold.service.group.family, sold.service.group.name) == (family, group)
    assert sold.get_measure_display() == measured
    assert price.text == text


@pytest.mark.parametrize(("service", "measured", "text"), [row[2:] for row in PAGE], ids=lambda cell: cell)
def test_a_row_of_the_price_page_charges_what_it_says(service, measured, text):
    price = item(service, measured.lower().replace(" ", "_")).prices.get()

    amount, _, _ = text.partition(" RMB/thousand")
    kind = Kind.LIMITED_TIME_OFFER if text.endswith("(limited-time offer)") else Kind.LIST_PRICE

    expected = (Decimal(0), Kind.FREE_TRIAL) if text == TRIAL else (Decimal(amount), kind)
    assert (price.unit_price, price.kind) == expected
    assert (price.unit_size, price.customer, price.ends_at) == (1000, None, None)


def test_the_catalogue_is_in_the_order_of_the_page_and_holds_nothing_else():
    sold = BillingItem.objects.select_related("service__group")

    rows = [
        (i.service.group.family, i.service.group.name, i.service.name, i.get_measure_display()) for i in sold
    ]

    assert rows == [row[:4] for row in PAGE]


def test_groups_and_services_are_in_the_order_of_the_page():
    groups, services = ServiceGroup.objects.all(), Service.objects.all()

    names = [group.name for group in groups], [service.name for service in services]

    assert names == (list(dict.fromkeys(row[1] for row in PAGE)), list(dict.fromkeys(row[2] for row in PAGE)))


def test_the_prices_began_before_any_record_that_the_door_takes(now, settings):
    begun = Price.objects.in_force(at=now - settings.USAGE_OLDEST)

    assert begun.count() == len(PAGE) == Price.objects.count()


def test_every_service_has_its_call_specification(now):
    specifications = CallSpecification.objects.in_force(at=now).select_related("service")

    limits = {
        specification.service.name: (specification.rpm, specification.tpm) for specification in specifications
    }

    assert limits == LIMITS
    assert CallSpecification.objects.count() == Service.objects.count()


def test_loading_twice_changes_nothing():
    before = everything()

    added = load_catalogue()

    assert added == 0
    assert everything() == before


def test_prices_that_an_admin_changed_survive_loading_again():
    price = item("SenseChat-5", Measure.INPUT_TOKENS).prices.get()
    the_end = dt.datetime.now(dt.UTC) + dt.timedelta(days=30)
    Price.objects.filter(pk=price.pk).update(ends_at=the_end)
    Price.objects.create(billing_item=price.billing_item, unit_price=Decimal("0.05"), begins_at=the_end)
    before = everything()

    load_catalogue()

    assert everything() == before


def test_call_specifications_that_an_admin_changed_survive_loading_again():
    end = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)
    CallSpecification.objects.filter(service__name="SenseChat-5").update(ends_at=end)
    before = everything()

    load_catalogue()

    assert everything() == before


def test_an_item_that_an_admin_added_survives_loading_again(now):
    service = Service.objects.get(name="nova-embedding-stable")
    added = BillingItem.objects.create(service=service, measure=Measure.OUTPUT_TOKENS)
    Price.objects.create(billing_item=added, unit_price=Decimal("0.001"), begins_at=now)
    before = everything()

    load_catalogue()

    assert everything() == before


def test_a_row_that_is_missing_is_added():
    with_less = item("nova-tts-1", Measure.INPUT_CHARACTERS)
    BillingItem.objects.filter(pk=with_less.pk).update(measure=Measure.OUTPUT_TOKENS)

    added = load_catalogue()

    assert added == 1
    assert item("nova-tts-1", Measure.INPUT_CHARACTERS).prices.get().kind == Kind.FREE_TRIAL


def test_the_command_says_that_the_catalogue_is_complete():
    said = StringIO()

    call_command("load_catalogue", stdout=said)

    assert said.getvalue() == "The catalogue is complete.\n"
