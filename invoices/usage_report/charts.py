"""What charts.js draws: stacked bars, oldest first; amounts as text, so that none loses a digit."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from django.utils.translation import gettext

from invoices.templatetags.amounts import exact
from pricing.rules.amounts import exact_sum, plain


class Bar(NamedTuple):
    """A bar: the label below, the title of its tooltip, and where it leads, if anywhere."""

    label: str
    title: str
    link: str = ""
    is_open: bool = False


def stacked(bars: Sequence[Bar], *, series: Sequence[tuple[str, int, Sequence[Decimal]]]) -> dict[str, Any]:
    """Return a chart of series, each with its name, its colour and an amount for each bar."""
    return {
        "labels": [bar.label for bar in bars],
        "titles": [
            gettext("%(hour)s, so far") % {"hour": bar.title} if bar.is_open else bar.title for bar in bars
        ],
        "links": [bar.link for bar in bars],
        "open": [place for place, bar in enumerate(bars) if bar.is_open],
        "totals": [
            exact(exact_sum(amounts[place] for _, _, amounts in series)) for place in range(len(bars))
        ],
        "words": {"currency": gettext("RMB"), "total": gettext("Total (RMB)")},
        "series": [
            {"name": name, "series": colour, "amounts": [plain(amount) for amount in amounts]}
            for name, colour, amounts in series
        ],
    }
