"""Query parameters and forms of the drill-down."""

from dataclasses import replace
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from invoices.drilldown.pagination import (
    LONGEST_EVENT_ID,
    RecordCursor,
    RecordsPage,
    newest_records,
    oldest_records,
)
from sensenova_billing.lib.api.query_params import CustomerQuery

MOST_RECORDS = 1000
RECORDS_A_PAGE = 100


class RecordCursorField(forms.Field):
    """A place in the records of a line, as an earlier page named it."""

    def to_python(self, value: str | None) -> RecordCursor | None:
        """Read it, or refuse it."""
        if not value:
            return None
        try:
            return RecordCursor.read(value)
        except ValueError as error:
            raise ValidationError("is not what an earlier page named") from error


class RecordsForm(forms.Form):
    """A page of a line's records: the newest, those before or after a record, or the oldest."""

    older_than = RecordCursorField(required=False)
    newer_than = RecordCursorField(required=False)
    oldest = forms.RegexField(regex=r"^1\Z", required=False)

    def read(self, records: QuerySet[Any]) -> RecordsPage:
        """Return the page, newest first; the newest one if the parameters cannot be read."""
        params = self.cleaned_data if self.is_valid() else {}
        if params.get("newer_than") or params.get("oldest"):
            found = oldest_records(records=records, size=RECORDS_A_PAGE, newer_than=params["newer_than"])
            return replace(found, records=found.records[::-1])
        return newest_records(records=records, size=RECORDS_A_PAGE, older_than=params.get("older_than"))


class EventIdField(forms.CharField):
    """The sender's own name for a call: any characters, spaces at its ends as well."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(max_length=LONGEST_EVENT_ID, strip=False, **fields)


class FindCallForm(forms.Form):
    """Which call a customer looks for."""

    event_id = EventIdField(
        label=_("Request ID"),
        help_text=_("The id under which the call was reported, exactly as it was sent."),
    )


class FindRecordForm(forms.Form):
    """Which record an admin looks for; there are far too many to list them."""

    customer = forms.CharField(label="Customer code", max_length=64, widget=UnfoldAdminTextInputWidget)
    event_id = EventIdField(
        label="Event id",
        help_text="As the sender reported it, byte for byte.",
        widget=UnfoldAdminTextInputWidget,
    )


class RecordsQuery(forms.Form):
    """Records of a line, oldest first, after the place that the page before named."""

    after = RecordCursorField(required=False)
    limit = forms.RegexField(
        regex=r"^([1-9][0-9]{0,2}|1000)\Z",
        required=False,
        error_messages={"invalid": f"must be a whole number from 1 to {MOST_RECORDS}"},
    )


class RecordQuery(CustomerQuery):
    """One record, by its customer's code and its event id."""

    event_id = EventIdField()
