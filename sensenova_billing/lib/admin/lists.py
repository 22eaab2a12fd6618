"""Admin pages that answer any URL: an odd filter, search, key or prefill gives a page or 404, never 500."""

import datetime as dt
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import DataError, transaction
from django.db.models import Field, QuerySet
from django.http import Http404, HttpRequest

from sensenova_billing.lib.admin.base import AdminMixin, ChangeList


class RobustChangeList(ChangeList):
    """Reads its page at once, so that a bad URL is detected while it can still be answered."""

    def get_results(self, request: HttpRequest) -> None:
        """Let Django redirect to the whole list where the database rejects a value."""
        try:
            with transaction.atomic():
                super().get_results(request)
                bool(self.result_list)
        except (DataError, TypeError) as error:  # TypeError: a text for a column of bytes
            raise IncorrectLookupParameters(error) from error


class RobustUrlAdmin(AdminMixin):
    """Mixin of a ModelAdmin: there is an answer to every URL."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[RobustChangeList]:
        """Return the list that is read at once."""
        return RobustChangeList

    def get_object_or_404(self, request: HttpRequest, object_id: str) -> Any:
        """Return the row of this key, or raise Http404; a URL may hold any text for a key."""
        found = self.get_object(request, object_id)
        if found is None:
            raise Http404
        return found

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find nothing for NUL, which PostgreSQL does not take."""
        if "\0" in search_term:
            return queryset.none(), False
        found: tuple[QuerySet[Any], bool] = super().get_search_results(request, queryset, search_term)
        return found

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Fill in the values of the link, without those that their fields do not accept."""
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        return {name: value for name, value in given.items() if self._accepts(name, value)}

    def _accepts(self, name: str, value: Any) -> bool:
        try:
            field = self.opts.get_field(name)
        except FieldDoesNotExist:
            return True
        values = value if isinstance(value, list) else [value]
        return all(_is_accepted(field, one) for one in values)


def _is_accepted(field: Any, value: str) -> bool:
    target: Field[Any, Any] = field.target_field if field.is_relation else field
    try:
        read = target.to_python(value)
        if isinstance(read, dt.datetime) and read.tzinfo:
            read.astimezone(dt.UTC)  # overflows at the ends of the calendar
    except (ValidationError, ValueError, TypeError, OverflowError):
        return False
    return isinstance(read, list) or not isinstance(target, ArrayField)
