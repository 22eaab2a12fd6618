"""What pages show of an effect: tables of customers and items, old and new side by side."""

from decimal import Decimal
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from invoices.price_impact.simulate import Costs, CustomerEffect, ItemEffect, PriceEffect
from invoices.templatetags.amounts import exact, grouped, in_sentence
from pricing.models import period_text, price_text
from pricing.rules.measures import Measure
from pricing.rules.precedence import PriceFact
from pricing.words import measure_name

CUSTOMERS_SHOWN = 100
_COSTS = (_("cost (RMB)"), _("now (RMB)"), _("after (RMB)"), _("difference (RMB)"))


def effect_tables(effect: PriceEffect) -> dict[str, Any]:
    """Return what the page shows of one interval: totals, the items, the customers with most difference."""
    costs = effect.costs
    return {
        "period": period_text(effect.interval.begins_at, effect.interval.ends_at),
        "cost": exact(costs.cost),
        "without": exact(costs.without),
        "changed": exact(costs.changed),
        "is_as_planned": costs.cost == costs.without,
        "difference": signed_amount(costs.difference),
        "share": _share(costs),
        "customer": effect.customer and effect.customer.code,
        "own_price_customers": effect.own_price_customers,
        "affected": effect.affected,
        "customers": len(effect.customers),
        "shown": min(len(effect.customers), CUSTOMERS_SHOWN),
        "items": {
            "headers": [_("billing item"), _("price now"), _("price after"), _("quantity"), *_COSTS],
            "rows": [_item_row(item) for item in effect.items],
        },
        "by_customer": {
            "headers": [_("customer"), _("name"), *map(_measure, effect.measures), *_COSTS],
            "rows": [_customer_row(one, effect) for one in effect.customers[:CUSTOMERS_SHOWN]],
        },
    }


def signed_amount(amount: Decimal) -> str:
    """Return an exact amount with its sign, e.g. `+0.012`; 0 has none."""
    return f"+{exact(amount)}" if amount > 0 else exact(amount)


def _share(costs: Costs) -> str:
    """Return the difference as a share of what it cost without, to a tenth of a percent; empty for 0."""
    return f"{costs.difference * 100 / costs.without:+.1f} %" if costs.without else ""


def _measure(measure: Measure) -> str:
    return in_sentence(measure_name(measure))


def _item_row(item: ItemEffect) -> list[str]:
    measure = Measure(item.item.measure)
    prices = [_text(item.without, measure), _text(item.changed, measure)]
    return [str(item.item), *prices, grouped(item.quantity), *_costs(item.costs)]


def _customer_row(one: CustomerEffect, effect: PriceEffect) -> list[str]:
    quantities = [grouped(one.quantities[measure]) for measure in effect.measures]
    return [one.customer_code, one.customer_name, *quantities, *_costs(one.costs)]


def _costs(costs: Costs) -> list[str]:
    return [exact(costs.cost), exact(costs.without), exact(costs.changed), signed_amount(costs.difference)]


def _text(price: PriceFact | None, measure: Measure) -> str:
    if price is None:
        return gettext("none")
    digits = f"{price.unit_price.normalize():f}"
    return price_text(kind=price.kind, digits=digits, unit_size=price.unit_size, measure=measure)
