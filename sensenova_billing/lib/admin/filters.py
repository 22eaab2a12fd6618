"""Filters of the admin's lists."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from unfold.contrib.filters.admin import TextFilter


class ExactFilter(TextFilter):  # type: ignore[misc]
    """The rows with exactly the value that is typed, which an index finds: for what has too many for links.

    Lists with one set `list_filter_submit`.
    """

    lookup: str

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those rows; all where nothing is typed."""
        value = (self.value() or "").strip().replace("\0", "")
        return queryset.filter(**{self.lookup: value}) if value else queryset


class TranslatedChoicesFilter(admin.ChoicesFieldListFilter):
    """A filter by the choices of a field, whose labels are English, in the language of the page."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        """In the words of pages."""
        for one in super().choices(changelist):
            yield {**one, "display": gettext(str(one["display"]))}
