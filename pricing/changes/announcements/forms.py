"""The form that takes back an announcement."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget

from pricing.changes.announcements.find import Announcement, announcements
from pricing.changes.base_form import PriceActionForm
from pricing.changes.price_commands import take_back
from pricing.changes.rows import PriceRow, Row, at_once


class TakeBackForm(PriceActionForm):
    """One announcement, named by a key; in the query by that of any of its prices."""

    announcement = forms.ChoiceField(
        label=_("Announcement"),
        help_text=_(
            "What has not begun is cancelled, and what it superseded resumes. What has begun ends now."
        ),
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._open = {str(one.key): one for one in announcements(now=self.now)}
        self.fields["announcement"].choices = [(key, str(one)) for key, one in self._open.items()]  # type: ignore[attr-defined]
        named = str(self.initial.get("announcement", ""))
        for key, one in self._open.items():
            if named in {str(price.pk) for price in one.prices}:
                self.initial["announcement"] = key

    def rows(self) -> Sequence[Row]:
        """The ends, the cancellations, and what resumes."""
        return take_back(prices=self._chosen.prices, continued=self._chosen.continued, now=self.now)

    def rows_to_apply(self) -> Sequence[Row]:
        """With the ends at the instant at which they are applied."""
        return [at_once(row, self.now) if isinstance(row, PriceRow) else row for row in self.rows()]

    def summary(self) -> str:
        """E.g. `Take back 4 prices: 1 ends now, 3 are cancelled before they begin`."""
        prices = self._chosen.prices
        scheduled = sum(1 for price in prices if price.begins_at > self.now)
        words = {"number": len(prices), "item": prices[0].billing_item, "price": prices[0].text}
        words |= {"ended": len(prices) - scheduled, "cancelled": scheduled}
        if len(prices) > 1:
            text = gettext(
                "Take back %(number)s prices: %(ended)s ended now, %(cancelled)s cancelled before beginning"
            )
            return text % words
        text = gettext(
            "Take back %(item)s: %(price)s: %(ended)s ended now, %(cancelled)s cancelled before beginning"
        )
        return text % words

    @property
    def _chosen(self) -> Announcement:
        return self._open[self.cleaned_data["announcement"]]
