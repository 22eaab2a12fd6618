"""Lists of the admin, whose addresses may ask for anything: there is always an answer."""

import datetime as dt
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import DataError, transaction
from django.db.models import Field, QuerySet
from django.http import Http404, HttpRequest
from unfold.views import ChangeList


class AskedChangeList(ChangeList):  # type: ignore[misc]
    """Reads its page at once, so that what is wrong with the address is found while it can be answered."""

    def get_results(self, request: HttpRequest) -> None:
        """Let Django lead back to the whole list where the database takes no such value."""
        try:
            with transaction.atomic():
                super().get_results(request)
                bool(self.result_list)
        except (DataError, TypeError) as error:  # TypeError: a text for a column of bytes
            raise IncorrectLookupParameters(error) from error


class AskedList:
    """For a ModelAdmin: whatever the address asks for, there is an answer."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[AskedChangeList]:
        """The list that is read at once."""
        return AskedChangeList

    def found(self, request: HttpRequest, object_id: str) -> Any:
        """Return the row of this key, or raise Http404; an address may say anything for a key."""
        found = self.get_object(request, object_id)  # type: ignore[attr-defined]
        if found is None:
            raise Http404
        return found

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find nothing for a character that no text of ours holds."""
        if "\0" in search_term:
            return queryset.none(), False
        found: tuple[QuerySet[Any], bool] = super().get_search_results(request, queryset, search_term)  # type: ignore[misc]
        return found

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Fill in what a link knows, without what its field cannot hold."""
        known: dict[str, Any] = super().get_changeform_initial_data(request)  # type: ignore[misc]
        return {name: value for name, value in known.items() if self._holds(name, value)}

    def _holds(self, name: str, value: Any) -> bool:
        try:
            field = self.opts.get_field(name)  # type: ignore[attr-defined]
        except FieldDoesNotExist:
            return True
        values = value if isinstance(value, list) else [value]
        return all(_is_held(field, one) for one in values)


def _is_held(field: Any, value: str) -> bool:
    target: Field[Any, Any] = field.target_field if field.is_relation else field
    try:
        read = target.to_python(value)
        if isinstance(read, dt.datetime) and read.tzinfo:
            read.astimezone(dt.UTC)  # at the ends of the calendar it has no date there
    except (ValidationError, ValueError, TypeError, OverflowError):
        return False
    return isinstance(read, list) or not isinstance(target, ArrayField)
