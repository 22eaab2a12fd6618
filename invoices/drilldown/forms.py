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
    AmountCursor,
    DearestPage,
    RecordCursor,
    RecordsPage,
    dearest_records,
    newest_records,
    oldest_records,
)
from sensenova_billing.lib.api.query_params import CustomerQuery

BY_TIME, BY_AMOUNT = "time", "amount"
MOST_RECORDS = 1000
RECORDS_A_PAGE = 100


class RecordCursorField(forms.Field):
    """A place in the records of a line, as an earlier page named it."""

    cursor: type[RecordCursor | AmountCursor] = RecordCursor

    def to_python(self, value: str | None) -> RecordCursor | AmountCursor | None:
        """Read it, or refuse it."""
        if not value:
            return None
        try:
            return self.cursor.read(value)
        except ValueError as error:
            raise ValidationError("is not what an earlier page named") from error


class AmountCursorField(RecordCursorField):
    """The same for pages that go by amount."""

    cursor = AmountCursor


class RecordsForm(forms.Form):
    """A page of a line's records: the newest, those before or after a record, or the oldest."""

    older_than = RecordCursorField(required=False)
    newer_than = RecordCursorField(required=False)
    oldest = forms.RegexField(regex=r"^1\Z", required=False)
    order = forms.RegexField(regex=rf"^{BY_TIME}\Z", required=False)

    def read(self, records: QuerySet[Any]) -> RecordsPage:
        """Return the page, newest first; the newest one if the parameters cannot be read."""
        params = self.cleaned_data if self.is_valid() else {}
        if params.get("newer_than") or params.get("oldest"):
            found = oldest_records(records=records, size=RECORDS_A_PAGE, newer_than=params["newer_than"])
            return replace(found, records=found.records[::-1])
        return newest_records(records=records, size=RECORDS_A_PAGE, older_than=params.get("older_than"))


class DearestForm(forms.Form):
    """A page of a line's records by amount: the largest, or those after or before a record."""

    after = AmountCursorField(required=False)
    before = AmountCursorField(required=False)

    def read(self, records: QuerySet[Any]) -> DearestPage:
        """Return the page, the largest amounts first; the first one if the parameters cannot be read."""
        params = self.cleaned_data if self.is_valid() else {}
        return dearest_records(
            records=records, size=RECORDS_A_PAGE, after=params.get("after"), before=params.get("before")
        )


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

    customer = forms.CharField(label=_("Customer code"), max_length=64, widget=UnfoldAdminTextInputWidget)
    event_id = EventIdField(
        label=_("Event id"),
        help_text=_("As the sender reported it, byte for byte."),
        widget=UnfoldAdminTextInputWidget,
    )


class OrderQuery(forms.Form):
    """Records of a line, oldest first or the largest amounts first."""

    order = forms.RegexField(
        regex=rf"^({BY_TIME}|{BY_AMOUNT})\Z",
        required=False,
        error_messages={"invalid": f"must be {BY_TIME} or {BY_AMOUNT}"},
    )


class RecordsQuery(OrderQuery):
    """A page of them, after the place that the page before named."""

    after = forms.CharField(required=False, strip=False)
    limit = forms.RegexField(
        regex=r"^([1-9][0-9]{0,2}|1000)\Z",
        required=False,
        error_messages={"invalid": f"must be a whole number from 1 to {MOST_RECORDS}"},
    )

    def clean_after(self) -> Any:
        """Read the key that pages of this order have."""
        is_by_amount = self.cleaned_data.get("order") == BY_AMOUNT
        field = AmountCursorField() if is_by_amount else RecordCursorField()
        return field.to_python(self.cleaned_data["after"])


class RecordQuery(CustomerQuery):
    """One record, by its customer's code and its event id."""

    event_id = EventIdField()
