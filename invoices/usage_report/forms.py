"""The parameters of the usage page."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from invoices.usage_report.read import ITEM, SERVICE
from invoices.usage_report.spans import DAY, Span, Width, width_for
from usage.metadata import metadata_names

_FIRST, _LAST = dt.date(2000, 1, 1), dt.date(2200, 1, 1)
_WIDTHS = [
    ("", _("by length")),
    (Width.HOUR, _("Hour by hour")),
    (Width.DAY, _("Day by day")),
    (Width.MONTH, _("Month by month")),
]


def groupings() -> list[tuple[str, Any]]:
    """Return what usage can be grouped by, with the words for it."""
    return [
        (SERVICE, _("Service")),
        (ITEM, _("Billing item")),
        *metadata_names(),
    ]


def _day_field(label: Any) -> forms.DateField:
    return forms.DateField(
        label=label,
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        validators=[MinValueValidator(_FIRST), MaxValueValidator(_LAST)],
        error_messages={"invalid": _("Write the day as year-month-day, such as 2026-11-23.")},
    )


class UsageForm(forms.Form):
    """A span of days, this month unless another is given; in which buckets, and grouped by what."""

    width = forms.ChoiceField(label=_("Show"), required=False, choices=_WIDTHS)

    def __init__(self, query: QueryDict, *, zone: ZoneInfo, now: dt.datetime) -> None:
        self._query, self._zone, self._today = query, zone, now.astimezone(zone).date()
        shown = query.copy()
        if not (query.get("from") or query.get("to")):
            shown.update({"from": f"{self._today.replace(day=1)}", "to": f"{self._today}"})
        super().__init__(shown)
        self.fields |= {
            "from": _day_field(_("From")),
            "to": _day_field(_("To, this day included")),
            "by": forms.ChoiceField(label=_("Grouped by"), required=False, choices=groupings()),
        }
        self.order_fields(["from", "to", "width", "by"])

    def clean(self) -> dict[str, Any]:
        """Refuse a span that ends before it begins or is too long, and unknown parameters."""
        cleaned = super().clean() or self.cleaned_data
        for name, values in self._query.lists():
            if name not in self.fields:
                raise ValidationError(_("%(name)s is not known here."), params={"name": name})
            if len(values) > 1:
                raise ValidationError(_("%(name)s is given more than once."), params={"name": name})
        if not self.errors:
            first, last = self._days(cleaned)
            width = Width(cleaned["width"] or width_for(first, last))
            if last < first:
                self.add_error("to", _("The span ends before it begins, on %(day)s.") % {"day": first})
            elif (last - first).days >= width.most_days:
                limit = {"days": width.most_days}
                self.add_error("width", _("Such a span is at most %(days)s days long.") % limit)
        return cleaned

    def span(self) -> Span:
        """Return the span."""
        first, last = self._days(self.cleaned_data)
        width = Width(self.cleaned_data["width"] or width_for(first, last))
        return Span.of_days(first, last, width=width, zone=self._zone)

    @property
    def group_by(self) -> str:
        """What usage is grouped by."""
        return self.cleaned_data.get("by") or SERVICE

    def presets(self) -> list[dict[str, str]]:
        """Return the spans that are asked for most, each with its words and its days."""
        month = self._today.replace(day=1)
        before = month - DAY
        spans = [
            (gettext("Today"), self._today, self._today),
            (gettext("Last 7 days"), self._today - 6 * DAY, self._today),
            (gettext("This month"), month, self._today),
            (gettext("Last month"), before.replace(day=1), before),
        ]
        return [{"words": words, "from": str(first), "to": str(last)} for words, first, last in spans]

    def _days(self, cleaned: dict[str, Any]) -> tuple[dt.date, dt.date]:
        last = cleaned["to"] or max(self._today, cleaned["from"] or self._today)
        return cleaned["from"] or last.replace(day=1), last
