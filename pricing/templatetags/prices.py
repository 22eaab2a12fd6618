"""Words for the price page."""

import datetime as dt

from django import template
from django.utils import timezone

from pricing.catalogue.estimates import EstimateLine
from pricing.models import unit_text
from pricing.rules.kinds import Kind
from sensenova_billing.lib import local_time

register = template.Library()


@register.filter
def moment(instant: dt.datetime) -> str:
    """Return an instant by the page's clock, to the minute where it falls on one: `2026-12-01 00:00`."""
    return local_time.minute_text(instant, timezone.get_current_timezone())


@register.filter
def price_kind(kind: str) -> Kind:
    """Return the kind of this name, with its label and its badge."""
    return Kind(kind)


@register.filter
def priced_per(line: EstimateLine) -> str:
    """Return what a line's unit price is for, e.g. `thousand tokens`."""
    return unit_text(measure=line.measure, unit_size=line.price.unit_size)
