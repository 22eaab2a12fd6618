"""The price page as data, and the function that puts it into the database.

Source: SenseNova, "Tokens Postpaid". Names, prices, offers and free trials are the page's, to the digit.
Where the page is silent we say so: prices have no beginning there, so they begin before any record that
we take; call limits are not named there, so the defaults below hold (see docs/pricing.md).
"""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction

from pricing.models import BillingItem, CallSpecification, Price, Service, ServiceGroup
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure

BEGINS_AT = dt.datetime(2023, 1, 1, tzinfo=dt.UTC)
UNIT_SIZE = 1000

IN, OUT, CHARACTERS = Measure.INPUT_TOKENS, Measure.OUTPUT_TOKENS, Measure.INPUT_CHARACTERS
LIST, OFFER, TRIAL = Kind.LIST_PRICE, Kind.LIMITED_TIME_OFFER, Kind.FREE_TRIAL

# The page gives no numbers. 60 RPM and 128,000 TPM are what SenseNova states for its V6 services.
DEFAULT_RPM, DEFAULT_TPM = 60, 128_000


@dataclass(frozen=True)
class Sold:
    """One billing item of a service with its price in RMB per thousand."""

    measure: Measure
    unit_price: Decimal
    kind: Kind = LIST


@dataclass(frozen=True)
class Offered:
    """One service of the page: its items, and its call specification."""

    name: str
    items: tuple[Sold, ...]
    rpm: int = DEFAULT_RPM
    tpm: int | None = DEFAULT_TPM


@dataclass(frozen=True)
class PageGroup:
    """One group of the page."""

    family: str
    name: str
    description: str
    services: tuple[Offered, ...]


def _tokens(
    price_in: str, price_out: str, *, kind_in: Kind = LIST, kind_out: Kind = LIST
) -> tuple[Sold, ...]:
    return (Sold(IN, Decimal(price_in), kind_in), Sold(OUT, Decimal(price_out), kind_out))


PAGE: tuple[PageGroup, ...] = (
    PageGroup(
        "SenseNova LLM",
        "General",
        "General models of several sizes and context lengths: language, knowledge, reasoning, code.",
        (
            Offered("SenseChat-5", _tokens("0.04", "0.1", kind_in=OFFER)),
            Offered("SenseChat", _tokens("0.012", "0.012")),
            Offered("SenseChat-32K", _tokens("0.036", "0.036")),
            Offered("SenseChat-128K", _tokens("0.06", "0.06")),
            Offered("SenseChat-Turbo", _tokens("0.002", "0.005", kind_in=OFFER)),
        ),
    ),
    PageGroup(
        "SenseNova LLM",
        "General - Cantonese Version",
        "For conversation in Cantonese: the habits, slang and local knowledge of Hong Kong.",
        (Offered("SenseChat-5-Cantonese", _tokens("0.027", "0.027")),),
    ),
    PageGroup(
        "SenseNova Multimodal Large Model",
        "SenseNova Multimodal Large Model",
        "Understands images and text together.",
        (Offered("SenseChat-Vision", _tokens("0", "0", kind_in=TRIAL, kind_out=TRIAL)),),
    ),
    PageGroup(
        "SenseNova TTS Model",
        "SenseNova TTS Model",
        "Speech synthesis online, and rapid voice cloning.",
        (Offered("nova-tts-1", (Sold(CHARACTERS, Decimal(0), TRIAL),), tpm=None),),
    ),
    PageGroup(
        "SenseNova Embedding Model",
        "SenseNova Embedding Model",
        "Turns text into vectors.",
        (Offered("nova-embedding-stable", (Sold(IN, Decimal("0.0005")),)),),
    ),
    PageGroup(
        "SenseNova Role-play Model",
        "SenseNova Role-play Model",
        "Characters with their own knowledge and long memory, alone or in groups.",
        (
            # SenseNova states 60 RPM and no TPM for this one.
            Offered("SenseChat-Character-Pro", _tokens("0.015", "0.015"), tpm=None),
            Offered("SenseChat-Character", _tokens("0.012", "0.012")),
        ),
    ),
)


@transaction.atomic
def load_catalogue() -> int:
    """Add what the database lacks of the price page and return how many billing items that were.

    An item that is there keeps its prices, whatever they are by now: those belong to the admins.
    """
    added = 0
    for place, section in enumerate(PAGE):
        group, _ = ServiceGroup.objects.get_or_create(
            name=section.name,
            defaults={"family": section.family, "description": section.description, "position": place},
        )
        for position, offered in enumerate(section.services):
            service, is_new = Service.objects.get_or_create(
                name=offered.name, defaults={"group": group, "position": position}
            )
            if is_new:
                CallSpecification.objects.create(
                    service=service, rpm=offered.rpm, tpm=offered.tpm, begins_at=BEGINS_AT
                )
            added += sum(_add_item(service=service, sold=sold) for sold in offered.items)
    return added


def _add_item(*, service: Service, sold: Sold) -> bool:
    item, is_new = BillingItem.objects.get_or_create(service=service, measure=sold.measure)
    if is_new:
        Price.objects.create(
            billing_item=item,
            kind=sold.kind,
            unit_price=sold.unit_price,
            unit_size=UNIT_SIZE,
            begins_at=BEGINS_AT,
        )
    return is_new
