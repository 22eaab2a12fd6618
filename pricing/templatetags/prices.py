"""Words for the price page."""

import datetime as dt
from typing import Any

from django import template
from django.utils import timezone
from django.utils.translation import gettext

from pricing.catalogue.estimates import EstimateLine
from pricing.rules.kinds import Kind
from pricing.rules.methods import BillingMethod
from pricing.rules.validity import ValidityUnit
from pricing.words import unit_name
from pricing.words import validity_words as words_of_validity
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
    return unit_name(measure=line.measure, unit_size=line.price.unit_size)


@register.filter
def method_name(method: str) -> str:
    """Return a billing method's words, e.g. `Tokens Postpaid`."""
    return gettext(BillingMethod(method).label)


@register.filter
def validity_words(terms: Any) -> str:
    """Return how long a package on these terms is valid, e.g. `1 month`."""
    return words_of_validity(terms.validity, terms.validity_unit)


@register.filter
def per_unit_of_time(unit: str) -> str:
    """Return what the price of a TPM package is for."""
    return gettext("a unit per day") if unit == ValidityUnit.DAY else gettext("a unit per month")
