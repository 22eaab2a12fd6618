"""The words of the rules on pages, in the language of the page.

The rules themselves know no Django, and their words stand in files, the API and the audit trail as well: they
are English there, whoever asks.
"""

from collections.abc import Iterable
from decimal import Decimal

from django.utils.translation import gettext, gettext_noop, ngettext

from pricing.models import UNIT_SIZES, price_text, unit_text
from pricing.rules.amounts import plain
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from pricing.rules.precedence import PriceFact
from pricing.rules.validity import ValidityUnit


def measure_name(measure: str) -> str:
    """Return e.g. `Input tokens`."""
    return gettext(Measure(measure).label)


def measure_within(measure: str) -> str:
    """Return e.g. `input tokens`, as within a sentence."""
    label = Measure(measure).label
    name = gettext(label)
    return name.lower() if name == label else name


def item_within(service: str, measure: str) -> str:
    """Return e.g. `SenseChat input tokens`, as within a sentence."""
    return gettext("%(service)s %(measure)s") % {"service": service, "measure": measure_within(measure)}


def package_price_words(list_price: Decimal, offer_price: Decimal | None) -> str:
    """Return e.g. `200.00 RMB`, or `150.00 RMB (list price 200.00)` where there is an offer."""
    words = {
        "list_price": f"{list_price:,.2f}",
        "price": f"{list_price if offer_price is None else offer_price:,.2f}",
    }
    if offer_price is None:
        return gettext("%(price)s RMB") % words
    return gettext("%(price)s RMB (list price %(list_price)s)") % words


def a_unit_words(price: str, validity_unit: str) -> str:
    """Return e.g. `100.00 RMB a unit and month`: what a TPM package costs."""
    if validity_unit == ValidityUnit.DAY:
        return gettext("%(price)s a unit and day") % {"price": price}
    return gettext("%(price)s a unit and month") % {"price": price}


def tpm_words(tpm: int | None, *, excludes_cached_input: bool) -> str:
    """Return e.g. `128,000 TPM without cached input`; nothing where there is no TPM."""
    words = {"tpm": f"{tpm or 0:,}"}
    if not tpm:
        return ""
    return gettext("%(tpm)s TPM without cached input") % words if excludes_cached_input else f"{tpm:,} TPM"


def kind_name(kind: str) -> str:
    """Return e.g. `limited-time offer`."""
    return gettext(Kind(kind).label)


def unit_name(*, measure: str, unit_size: int) -> str:
    """Return what a unit price is for, e.g. `thousand tokens`."""
    return gettext(unit_text(measure=Measure(measure), unit_size=unit_size))


def list_text(words: Iterable[str]) -> str:
    """Return e.g. `Input tokens, Output tokens`."""
    return gettext(", ").join(words)


def price_words(price: PriceFact, measure: Measure) -> str:
    """Word a price without its kind, e.g. `0.04 RMB/thousand tokens`; a free trial says that it is one."""
    if price.kind == Kind.FREE_TRIAL:
        return gettext(price_text(kind=price.kind, digits="", unit_size=1, measure=measure))
    return gettext("%(digits)s RMB/%(unit)s") % {
        "digits": plain(price.unit_price),
        "unit": unit_name(measure=measure, unit_size=price.unit_size),
    }


def validity_words(number: int, unit: str) -> str:
    """Return e.g. `1 month` or `30 days`."""
    if unit == ValidityUnit.DAY:
        return ngettext("%(number)s day", "%(number)s days", number) % {"number": number}
    return ngettext("%(number)s month", "%(number)s months", number) % {"number": number}


# What the functions above look up, and forms of units of time, for `make translations`.
LOOKED_UP = (
    gettext_noop("days"),
    gettext_noop("months"),
    gettext_noop("Input tokens"),
    gettext_noop("Cached input tokens"),
    gettext_noop("Cache write tokens"),
    gettext_noop("Output tokens"),
    gettext_noop("Input characters"),
    gettext_noop("Seconds"),
    gettext_noop("Images"),
    gettext_noop("Requests"),
    gettext_noop("free trial"),
    gettext_noop("limited-time offer"),
    gettext_noop("list price"),
    gettext_noop("Free trial for a limited time"),
    gettext_noop("Tokens Postpaid"),
    gettext_noop("TPM Quota Package Prepaid"),
    gettext_noop("Tokens Quota Package Prepaid"),
    gettext_noop("token"),
    gettext_noop("character"),
    gettext_noop("second"),
    gettext_noop("image"),
    gettext_noop("request"),
    gettext_noop("tokens"),
    gettext_noop("characters"),
    gettext_noop("seconds"),
    gettext_noop("images"),
    gettext_noop("requests"),
    gettext_noop("thousand tokens"),
    gettext_noop("thousand characters"),
    gettext_noop("thousand seconds"),
    gettext_noop("thousand images"),
    gettext_noop("thousand requests"),
    gettext_noop("ten thousand tokens"),
    gettext_noop("ten thousand characters"),
    gettext_noop("ten thousand seconds"),
    gettext_noop("ten thousand images"),
    gettext_noop("ten thousand requests"),
    gettext_noop("million tokens"),
    gettext_noop("million characters"),
    gettext_noop("million seconds"),
    gettext_noop("million images"),
    gettext_noop("million requests"),
)


def units_in_words() -> dict[str, str]:
    """Return the name of each unit by its English one, under which the API names it."""
    units = {unit_text(measure=measure, unit_size=size) for measure in Measure for size in UNIT_SIZES}
    return {unit: gettext(unit) for unit in sorted(units)}
