"""A customer's prices beside those for everybody: what it pays now, what ends, and what is scheduled."""

from dataclasses import dataclass

from pricing.catalogue.offering import Catalog, ItemOnSale
from pricing.catalogue.price_page import ChangeRow, PriceText, shown_price, upcoming_changes
from pricing.words import measure_name


@dataclass(frozen=True)
class OwnPrice:
    """What a customer pays for a billing item, and what everybody pays.

    `is_contract` if the price was agreed with the customer; `reverts` if everybody's price comes after it.
    """

    service: str
    name: str
    own: PriceText
    general: PriceText | None
    is_contract: bool
    reverts: bool


@dataclass(frozen=True)
class OwnPrices:
    """A service group with what the customer pays in it."""

    heading: str
    description: str
    prices: list[OwnPrice]


@dataclass(frozen=True)
class PlannedChange:
    """A scheduled change, and whether it changes what the customer pays."""

    row: ChangeRow
    is_own: bool


def own_prices(*, own: Catalog, general: Catalog) -> list[OwnPrices]:
    """Return what the customer pays, in the order of the price page."""
    everybodys = {
        (service.name, item.measure): item
        for group in general.groups
        for service in group.services
        for item in service.items
    }
    return [
        OwnPrices(
            heading=group.family if group.name == group.family else f"{group.family}: {group.name}",
            description=group.description,
            prices=[
                _own_price(service.name, item, everybodys.get((service.name, item.measure)))
                for service in group.services
                for item in service.items
            ],
        )
        for group in own.groups
    ]


def planned_changes(*, own: Catalog, general: Catalog) -> list[PlannedChange]:
    """Return every scheduled change, soonest first; everybody's are marked that the customer does not pay."""
    mine = upcoming_changes(own)
    others = [row for row in upcoming_changes(general) if row not in mine]
    planned = [PlannedChange(row, True) for row in mine] + [PlannedChange(row, False) for row in others]
    return sorted(planned, key=lambda change: (change.row.at, not change.is_own))


def _own_price(service: str, item: ItemOnSale, general: ItemOnSale | None) -> OwnPrice:
    is_contract = item.price.customer is not None
    return OwnPrice(
        service=service,
        name=measure_name(item.measure),
        own=shown_price(item),
        general=shown_price(general) if general else None,
        is_contract=is_contract,
        reverts=is_contract and bool(item.upcoming) and item.upcoming[0].price.customer is None,
    )
