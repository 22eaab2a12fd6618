"""Query parameters of the endpoints of bills, charge lines and usage."""

import datetime as dt
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

from invoices.drilldown.forms import MOST_RECORDS
from invoices.usage_report.read import ITEM, SERVICE
from invoices.usage_report.spans import Width
from sensenova_billing.lib.api.query_params import CustomerQuery, NoQuery, cursor_field, limit_field

ROWS_A_PAGE = 100
LATEST = 4_102_444_800  # 2100-01-01
WIDTHS = {"1h": Width.HOUR, "1d": Width.DAY, "1mo": Width.MONTH}
# Of each width: how many buckets a page holds unless asked otherwise, and at most.
BUCKETS = {"1h": (24, 168), "1d": (7, 31), "1mo": (12, 36)}


# The name in the metadata of calls, and others for it: ours, and that of OpenAI's usage page.
API_KEY = "api_key"
KEY_NAMES = ("key", "api_key_id")

# Unix seconds, and those of a bill's hour with the id of a line.
BILL_CURSOR = "^[1-9][0-9]{0,9}$"
LINE_CURSOR = "^[1-9][0-9]{0,9}-[1-9][0-9]{0,17}$"


def groupings() -> dict[str, str]:
    """Return by what usage can be grouped: each name, and what it stands for."""
    names = [SERVICE, ITEM, *settings.USAGE_METADATA_KEYS]
    others = KEY_NAMES if API_KEY in names else ()
    return dict.fromkeys(others, API_KEY) | {name: name for name in names}


class InstantField(forms.IntegerField):
    """An instant in Unix seconds."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(min_value=0, max_value=LATEST, required=fields.pop("required", False), **fields)

    def clean(self, value: Any) -> Any:
        """Return it as an instant."""
        seconds = super().clean(value)
        return None if seconds is None else dt.datetime.fromtimestamp(seconds, tz=dt.UTC)


class SpanQuery(CustomerQuery):
    """A customer's documents of hours that begin in a span."""

    start_time = InstantField()
    end_time = InstantField()
    service = forms.CharField(max_length=100, required=False, strip=False)
    limit = limit_field(MOST_RECORDS)


class BillsQuery(SpanQuery):
    """Bills, oldest first."""

    after = cursor_field(BILL_CURSOR)


class LinesQuery(SpanQuery):
    """Charge lines, in the order of their bills."""

    bill = forms.CharField(max_length=80, required=False, strip=False)
    after = cursor_field(LINE_CURSOR)


class SealsQuery(NoQuery):
    """Seals of hours that begin in a span, oldest first."""

    start_time = InstantField()
    end_time = InstantField()
    limit = limit_field(MOST_RECORDS)
    after = cursor_field(BILL_CURSOR)


class UsageSummaryQuery(CustomerQuery):
    """A customer's usage of a span."""

    start_time = InstantField(required=True)
    end_time = InstantField()
    group_by = forms.CharField(max_length=64, required=False)

    def clean_group_by(self) -> str:
        """Return what usage is grouped by; by service unless something else is given."""
        asked: str = self.cleaned_data["group_by"] or SERVICE
        found = groupings().get(asked)
        if found is None:
            raise ValidationError(f"must be one of {', '.join(groupings())}")
        return found

    def clean(self) -> dict[str, Any]:
        """Refuse a span that ends before it begins."""
        cleaned = super().clean() or self.cleaned_data
        begins, ends = cleaned.get("start_time"), cleaned.get("end_time")
        if begins and ends and ends <= begins:
            self.add_error("end_time", "must be after start_time")
        return cleaned


class UsageQuery(UsageSummaryQuery):
    """The same in buckets."""

    bucket_width = forms.ChoiceField(
        required=False,
        choices=[("", ""), *((width, width) for width in WIDTHS)],
        error_messages={"invalid_choice": f"must be one of {', '.join(WIDTHS)}"},
    )
    limit = limit_field(max(most for _, most in BUCKETS.values()))
    page = cursor_field(BILL_CURSOR)

    def clean(self) -> dict[str, Any]:
        """Refuse more buckets on a page than there are for this width."""
        cleaned = super().clean()
        width = cleaned.get("bucket_width") or "1d"
        most = BUCKETS[width][1]
        if (cleaned.get("limit") or 0) > most:
            self.add_error("limit", f"must be a whole number from 1 to {most} for {width}")
        return cleaned
