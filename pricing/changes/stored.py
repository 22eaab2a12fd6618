"""The catalogue in the database as rows: all of it, what is there under a row's key, and a row as a model."""

from collections.abc import Collection
from typing import Any

from django.db import models
from django.utils.translation import gettext, gettext_noop

from accounts.models import Customer
from pricing.changes.packages.rows import NO_GROUP, NO_SERVICE, terms_of, terms_row, with_parts
from pricing.changes.rows import (
    AliasRow,
    GroupRow,
    PackageRow,
    PriceRow,
    Row,
    ServiceRow,
    SpecificationRow,
    UnknownName,
    key_of,
)
from pricing.models import (
    BillingItem,
    CallSpecification,
    PackageTerms,
    Price,
    Service,
    ServiceAlias,
    ServiceGroup,
)
from pricing.rules.measures import Measure


class StoredCatalogue:
    """The catalogue as it was when it was read; names are looked up in the database as it is."""

    def __init__(self) -> None:
        self._rows: dict[tuple[Any, ...], tuple[Row, int]] = {
            key_of(row): (row, pk) for row, pk in _rows_with_keys()
        }
        self._on_sale = {
            (row.service, row.measure) for row, _ in self._rows.values() if isinstance(row, PriceRow)
        }
        self._products = {row.product for row, _ in self._rows.values() if isinstance(row, PackageRow)}

    def rows(self) -> list[Row]:
        """Return every row, those that others name first."""
        return [row for row, _ in self._rows.values()]

    def prices_of(self, items: Collection[tuple[str, str]]) -> list[PriceRow]:
        """Return the prices of these items, each given by its service and measure."""
        rows = (row for row, _ in self._rows.values() if isinstance(row, PriceRow))
        return [row for row in rows if (row.service, row.measure) in items]

    def terms_of(self, products: Collection[str]) -> list[PackageRow]:
        """Return the terms of these products."""
        rows = (row for row, _ in self._rows.values() if isinstance(row, PackageRow))
        return [row for row in rows if row.product in products]

    def row(self, row: Row) -> Row | None:
        """Return what is stored under this row's key, if anything."""
        return self._rows[key_of(row)][0] if key_of(row) in self._rows else None

    def was_on_sale(self, row: PriceRow | PackageRow) -> bool:
        """Whether the row's billing item had a price, or its product had terms."""
        if isinstance(row, PackageRow):
            return row.product in self._products
        return (row.service, row.measure) in self._on_sale

    def instance(self, row: Row) -> models.Model:
        """Return the row as a model, with its key if it is stored; raise RefusedRow for what it cannot be.

        A billing item that a price is for is put on sale by it, and a product by its first terms.
        """
        made: models.Model = _INSTANCES[type(row)](row)
        if key_of(row) in self._rows:
            made.pk = self._rows[key_of(row)][1]
        return made


def all_rows() -> list[Row]:
    """Return the whole catalogue, the rows that others name first."""
    return StoredCatalogue().rows()


def price_row(price: Price) -> PriceRow:
    """Return a price as a row."""
    return PriceRow(
        service=price.billing_item.service.name,
        measure=Measure(price.billing_item.measure),
        customer=price.customer.code if price.customer else "",
        kind=price.kind,
        unit_price=price.unit_price.normalize(),
        unit_size=price.unit_size,
        begins_at=price.begins_at,
        ends_at=price.ends_at,
    )


def specification_row(one: CallSpecification) -> SpecificationRow:
    """Return a call specification as a row."""
    return SpecificationRow(
        service=one.service.name,
        customer=one.customer.code if one.customer else "",
        rpm=one.rpm,
        tpm=one.tpm,
        excludes_cached_input=one.excludes_cached_input,
        begins_at=one.begins_at,
        ends_at=one.ends_at,
    )


def _rows_with_keys() -> list[tuple[Row, int]]:
    by_service = ("service__group__position", "service__position", "service__name")
    by_item = [f"billing_item__{field}" for field in by_service]
    groups = ServiceGroup.objects.all()
    services = Service.objects.select_related("group")
    aliases = ServiceAlias.objects.select_related("service")
    prices = Price.objects.with_names()
    specifications = CallSpecification.objects.select_related("service", "customer")
    return [
        *(
            (GroupRow(name=x.name, family=x.family, description=x.description, position=x.position), x.pk)
            for x in groups
        ),
        *((ServiceRow(name=x.name, group=x.group.name, position=x.position), x.pk) for x in services),
        *((AliasRow(alias=x.alias, service=x.service.name), x.pk) for x in aliases),
        *((price_row(x), x.pk) for x in prices.order_by(*by_item, "billing_item", "begins_at", "pk")),
        *((specification_row(x), x.pk) for x in specifications.order_by(*by_service, "begins_at", "pk")),
        *(
            (terms_row(x), x.pk)
            for x in with_parts(PackageTerms.objects.order_by("product__name", "begins_at"))
        ),
    ]


_NO_CUSTOMER = gettext_noop("There is no customer %(name)s.")


def _named(model: type[models.Model], unknown: str, **name: str) -> Any:
    found = model._default_manager.filter(**name).first()
    if found is None:
        raise UnknownName(gettext(unknown) % {"name": repr(next(iter(name.values())))})
    return found


def _service(name: str) -> Service:
    return _named(Service, NO_SERVICE, name=name)  # type: ignore[no-any-return]


def _customer(code: str) -> Customer | None:
    return _named(Customer, _NO_CUSTOMER, code=code) if code else None


def _group(row: GroupRow) -> models.Model:
    return ServiceGroup(name=row.name, family=row.family, description=row.description, position=row.position)


def _sold(row: ServiceRow) -> models.Model:
    group = _named(ServiceGroup, NO_GROUP, name=row.group)
    return Service(name=row.name, group=group, position=row.position)


def _alias(row: AliasRow) -> models.Model:
    return ServiceAlias(alias=row.alias, service=_service(row.service))


def _price(row: PriceRow) -> models.Model:
    customer = _customer(row.customer)
    item, _ = BillingItem.objects.get_or_create(service=_service(row.service), measure=row.measure)
    return Price(
        billing_item=item,
        customer=customer,
        kind=row.kind,
        unit_price=row.unit_price,
        unit_size=row.unit_size,
        begins_at=row.begins_at,
        ends_at=row.ends_at,
    )


def _specification(row: SpecificationRow) -> models.Model:
    return CallSpecification(
        service=_service(row.service),
        customer=_customer(row.customer),
        rpm=row.rpm,
        tpm=row.tpm,
        excludes_cached_input=row.excludes_cached_input,
        begins_at=row.begins_at,
        ends_at=row.ends_at,
    )


_INSTANCES: dict[type[Row], Any] = {
    GroupRow: _group,
    ServiceRow: _sold,
    AliasRow: _alias,
    PriceRow: _price,
    SpecificationRow: _specification,
    PackageRow: terms_of,
}
