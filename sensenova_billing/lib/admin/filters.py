"""Filters of the admin's lists in which one types, for what has too many values for a list of links."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import TextFilter


class ExactFilter(TextFilter):  # type: ignore[misc]
    """The rows with exactly this value, which an index finds. Lists with one set `list_filter_submit`."""

    lookup: str

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those rows; all where nothing is typed."""
        value = (self.value() or "").strip().replace("\0", "")
        return queryset.filter(**{self.lookup: value}) if value else queryset
