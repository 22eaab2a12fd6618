"""What pages show of an effect: tables of customers and items, old and new side by side."""

from decimal import Decimal
from typing import Any

from invoices.simulating import CustomerEffect, ItemEffect, PriceEffect
from invoices.templatetags.amounts import exact, grouped
from pricing.models import Price

CUSTOMERS_SHOWN = 100
_COSTS = ("cost (RMB)", "would have cost (RMB)", "difference (RMB)")


def effect_tables(effect: PriceEffect) -> dict[str, Any]:
    """Return what the page shows of planned prices: totals, the items, the customers with most difference."""
    return {
        "days": (effect.until - effect.since).days,
        "old": exact(effect.old),
        "new": exact(effect.new),
        "difference": signed(effect.difference),
        "share": _share(effect),
        "affected": effect.affected,
        "customers": len(effect.customers),
        "shown": min(len(effect.customers), CUSTOMERS_SHOWN),
        "items": {
            "headers": ["billing item", "price now", "planned", "quantity", *_COSTS],
            "rows": [_item_row(item) for item in effect.items],
        },
        "by_customer": {
            "headers": ["customer", "name", *(measure.label.lower() for measure in effect.measures), *_COSTS],
            "rows": [_customer_row(one, effect) for one in effect.customers[:CUSTOMERS_SHOWN]],
        },
    }


def signed(amount: Decimal) -> str:
    """Return an exact amount with its sign, `+0.012`, or 0."""
    return f"+{exact(amount)}" if amount > 0 else exact(amount)


def _share(effect: PriceEffect) -> str:
    """Return the difference as a share of the old cost, to a tenth of a percent; empty if that was 0."""
    return f"{effect.difference * 100 / effect.old:+.1f} %" if effect.old else ""


def _item_row(item: ItemEffect) -> list[str]:
    prices = [_text(item.old_price), _text(item.new_price)]
    return [str(item.item), *prices, grouped(item.quantity), *_costs(item)]


def _customer_row(one: CustomerEffect, effect: PriceEffect) -> list[str]:
    quantities = [grouped(one.quantities[measure]) for measure in effect.measures]
    return [one.customer_code, one.customer_name, *quantities, *_costs(one)]


def _costs(of: ItemEffect | CustomerEffect) -> list[str]:
    return [exact(of.old), exact(of.new), signed(of.difference)]


def _text(price: Price | None) -> str:
    return price.text if price else "none"
