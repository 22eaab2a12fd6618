"""Filters of the audit trail: about a row, by customer, by person, by days, by what and by action."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import TextFilter
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.audit.audited_admin import ABOUT
from accounts.audit.entries import audited_tables, table_in_words
from accounts.audit.references import entries_about_row, row_named
from accounts.models import AuditEntry, Customer
from sensenova_billing.lib.admin.filters import TranslatedChoicesFilter
from sensenova_billing.lib.local_time import start_of_day

Entries = QuerySet[AuditEntry]
ZONE = ZoneInfo("Asia/Shanghai")


class AboutFilter(admin.SimpleListFilter):
    """Entries about a row: its own, and those of the rows that refer to it. Set by *History*."""

    title = _("history of")
    parameter_name = ABOUT

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The row that is chosen, so that it can be left."""
        named = row_named(self.value() or "")
        if named is None:
            return []
        model, row = named
        found = model._base_manager.filter(pk=row).first()
        return [(f"{model._meta.db_table}:{row}", f"{table_in_words(model._meta.db_table)} {found or row}")]

    def queryset(self, request: HttpRequest, queryset: Entries) -> Entries:
        """Those about it."""
        named = row_named(self.value() or "")
        if named is None:
            return queryset.none() if self.value() else queryset
        return queryset.filter(entries_about_row(*named))


class NameFilter(TextFilter):  # type: ignore[misc]
    """Entries about the row of a name, which has to be exact."""

    model: type[Model]
    field: str

    def queryset(self, request: HttpRequest, queryset: Entries) -> Entries:
        """Those about it; none where there is no such row."""
        name = (self.value() or "").strip().replace("\0", "")
        if not name:
            return queryset
        found = self.model._base_manager.filter(**{f"{self.field}__iexact": name}).first()
        return queryset.filter(entries_about_row(self.model, found.pk)) if found else queryset.none()


class CustomerFilter(NameFilter):
    """By the code of a customer."""

    title, parameter_name = _("customer code"), "customer"
    model, field = Customer, "code"


class PersonFilter(TextFilter):  # type: ignore[misc]
    """By the author, in whatever case."""

    title, parameter_name = _("author"), "person"

    def queryset(self, request: HttpRequest, queryset: Entries) -> Entries:
        """Those by this author, which an index finds."""
        author = (self.value() or "").strip().replace("\0", "")
        return queryset.filter(by__in={author, author.lower()}) if author else queryset


class DayForm(forms.Form):
    """One day."""

    def __init__(self, name: str, label: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        widget = UnfoldAdminTextInputWidget(attrs={"type": "date"})
        self.fields[name] = forms.CharField(label=label, required=False, widget=widget)


class _DayFilter(TextFilter):  # type: ignore[misc]
    form_class = DayForm
    lookup: str
    days_after: int

    def queryset(self, request: HttpRequest, queryset: Entries) -> Entries:
        """Those of these days by the clock of Shanghai; none for what is no day."""
        if not self.value():
            return queryset
        try:
            day = dt.date.fromisoformat(self.value() or "") + dt.timedelta(days=self.days_after)
            return queryset.filter(**{self.lookup: start_of_day(day, ZONE)})
        except (ValueError, OverflowError):
            return queryset.none()


class FromDayFilter(_DayFilter):
    """From this day on."""

    title, parameter_name = _("first day"), "from"
    lookup, days_after = "at__gte", 0


class UntilDayFilter(_DayFilter):
    """Up to this day, which is included."""

    title, parameter_name = _("last day"), "until"
    lookup, days_after = "at__lt", 1


class TableFilter(admin.SimpleListFilter):
    """What was changed, in words."""

    title = _("what")
    parameter_name = "table"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Every table under audit."""
        return list(audited_tables().items())

    def queryset(self, request: HttpRequest, queryset: Entries) -> Entries:
        """Those of the table that was chosen."""
        known = self.value() in dict(self.lookup_choices)
        return queryset.filter(table=self.value()) if known else queryset


class ActionFilter(TranslatedChoicesFilter):
    """Added, changed or removed, under the word that pages use for the column `deed`."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.title = _("action")
