"""Admin pages that answer any URL: an odd filter, search, key or prefill gives a page or 404, never 500."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters, ShowFacets
from django.contrib.admin.views.main import PAGE_VAR
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import DataError, transaction
from django.db.models import Field, QuerySet
from django.http import Http404, HttpRequest
from unfold.paginator import InfinitePaginator

from sensenova_billing.lib.admin.base import ChangeList
from sensenova_billing.lib.admin.choices import TranslatedChoices
from sensenova_billing.lib.admin.key_pages import PageKey, read_page


@dataclass(frozen=True)
class ListPages:
    """What stands below a list: links to the pages next to this one, and how many rows there are."""

    previous: str
    next: str
    number: str
    template_name = "admin/list_pages.html"

    @property
    def has_others(self) -> bool:
        """Whether there is any other page."""
        return bool(self.previous or self.next)

    def get_elided_page_range(self, number: int) -> Sequence[int]:
        """Return no numbers of pages: Django asks for them."""
        return ()


class RobustChangeList(ChangeList):
    """Reads its page at once, so that a bad URL is detected while it can still be answered; and by key."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._ordering_columns: Any = None
        self._query_strings: dict[str, str] = {}
        super().__init__(*arguments, **named)

    def get_results(self, request: HttpRequest) -> None:
        """Let Django redirect to the whole list where the database rejects a value."""
        try:
            with transaction.atomic():
                self._read_page(request)
        except (DataError, TypeError) as error:  # TypeError: a text for a column of bytes
            raise IncorrectLookupParameters(error) from error

    def get_ordering_field_columns(self) -> Any:
        """Unfold asks for each cell of a list."""
        if self._ordering_columns is None:
            self._ordering_columns = super().get_ordering_field_columns()
        return self._ordering_columns

    def get_ordering_field(self, field_name: Any) -> Any:
        """None for a column by which the list cannot be ordered, whatever an address says."""
        if self.sortable_by is not None and field_name not in self.sortable_by:
            return None
        return super().get_ordering_field(field_name)

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        """Unfold asks for the head of each cell of a list."""
        key = str((new_params, remove))
        if key not in self._query_strings:
            self._query_strings[key] = super().get_query_string(new_params, remove)
        return self._query_strings[key]

    def _read_page(self, request: HttpRequest) -> None:
        most = self.list_max_show_all
        page = read_page(
            rows=self.queryset,
            size=most if self.show_all else self.list_per_page,
            key=PageKey.read(request.GET.get(PAGE_VAR, ""), self.model),
            among=self.root_queryset,
        )
        self.result_list, self.multi_page = page.rows, bool(page.previous or page.next)
        # More than can be shown on a page are not counted.
        count = self.queryset.order_by()[: most + 1].count() if self.multi_page else len(page.rows)
        self.can_show_all = count <= most
        self.result_count = count if self.can_show_all else len(page.rows)
        self.show_full_result_count, self.show_admin_actions = False, bool(page.rows)
        is_chosen = bool(self.query or self.has_active_filters) and self.can_show_all
        self.full_result_count = None if is_chosen else self.result_count
        previous, following = (
            self.get_query_string({PAGE_VAR: key}) if key else "" for key in (page.previous, page.next)
        )
        self.paginator = ListPages(previous, following, f"{count:,}" if self.can_show_all else f"{most:,}+")


class RobustUrlAdmin(TranslatedChoices):
    """Mixin of a ModelAdmin: there is an answer to every URL, and lists go by key."""

    # Of the rows that a form offers while somebody types; lists have pages of their own.
    paginator = InfinitePaginator
    # Numbers beside the filters' choices would count all rows, for each choice.
    show_facets = ShowFacets.NEVER

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
