"""Pages of the admin's lists by key: the next page is what comes after the last row of this one.

No page counts all rows, or skips those of the pages before it. Its key is the primary key of the row next to
it; what that row is ordered by is read from the row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import F, Model, Q, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.db.models.expressions import OrderBy

_AFTER, _BEFORE = "after-", "before-"
_NOTHING = Q(pk__in=[])


class PageKey(NamedTuple):
    """The row next to a page, and on which side of it the page is."""

    pk: Any
    is_before: bool

    @classmethod
    def read(cls, text: str, model: type[Model]) -> "PageKey | None":
        """Return what an address says; None for anything else, such as the number of a page."""
        word = next((word for word in (_AFTER, _BEFORE) if text.startswith(word)), None)
        if word is None:
            return None
        try:
            return cls(model._meta.pk.to_python(text.removeprefix(word)), is_before=word == _BEFORE)
        except ValidationError:
            return None


@dataclass(frozen=True)
class RowsPage:
    """Some rows of a list, and what an address says of the pages next to them; empty where there is none."""

    rows: list[Any]
    previous: str
    next: str


def read_page(*, rows: QuerySet[Any], size: int, key: PageKey | None, among: QuerySet[Any]) -> RowsPage:
    """Return the first rows in their order, or those next to a row, which is one of `among`."""
    columns = {f"key_{place}": one for place, one in enumerate(_columns(rows.model, rows.query.order_by))}
    expressions = {name: column.expression for name, column in columns.items()}
    values = None
    if key is not None:
        values = among.order_by().filter(pk=key.pk).annotate(**expressions).values_list(*columns).first()
    if key is None or values is None:
        found = list(rows[: size + 1])  # one more tells whether there are more
        return _page(found[:size], has_previous=False, has_next=len(found) > size)
    if key.is_before:
        columns = {name: _reversed(column) for name, column in columns.items()}
    onward = rows.alias(**expressions).filter(_beyond(columns, values)).order_by(*columns.values())
    found = list(onward[: size + 1])
    shown, is_more = found[:size], len(found) > size
    if key.is_before:
        shown.reverse()
        return _page(shown, has_previous=is_more, has_next=True)
    return _page(shown, has_previous=True, has_next=is_more)


def _page(rows: list[Any], *, has_previous: bool, has_next: bool) -> RowsPage:
    return RowsPage(
        rows,
        previous=f"{_BEFORE}{rows[0].pk}" if rows and has_previous else "",
        next=f"{_AFTER}{rows[-1].pk}" if rows and has_next else "",
    )


def _columns(model: type[Model], ordering: Sequence[Any], prefix: str = "") -> Iterator[OrderBy]:
    """Yield what rows are ordered by; a foreign key stands for what its rows are ordered by, as in Django."""
    for part in ordering:
        if not isinstance(part, str):
            yield part if isinstance(part, OrderBy) else part.asc()
            continue
        name, is_descending = part.removeprefix("-"), part.startswith("-")
        related = _related(model, name)
        if related is None:
            yield OrderBy(F(f"{prefix}{name}"), descending=is_descending)
            continue
        for column in _columns(related, related._meta.ordering or ["pk"], f"{prefix}{name}{LOOKUP_SEP}"):
            yield _reversed(column) if is_descending else column


def _related(model: type[Model], name: str) -> type[Model] | None:
    """Return the model behind a name of a foreign key, not of its column; None for any other name."""
    field: Any = None
    for part in name.split(LOOKUP_SEP):
        try:
            field = (field.related_model if field else model)._meta.get_field(part)
        except FieldDoesNotExist:
            return None  # `pk`, or what the list adds to its rows
    return field.related_model if field.is_relation and field.name == part else None


def _reversed(column: OrderBy) -> OrderBy:
    other = column.copy()
    other.reverse_ordering()
    return other


def _beyond(columns: dict[str, OrderBy], values: Sequence[Any]) -> Q:
    """Return the condition of the rows that come after one with these values."""
    found, same = _NOTHING, Q()
    for (name, column), value in zip(columns.items(), values, strict=True):
        found |= same & _onward(name, column, value)
        same &= Q(**{f"{name}__isnull": True}) if value is None else Q(**{name: value})
    first, column = next(iter(columns.items()))
    # It follows from the rest, and is what an index can begin with.
    return _onward(first, column, values[0], or_same="e") & found


def _onward(name: str, column: OrderBy, value: Any, or_same: str = "") -> Q:
    """Return the condition of the rows that come after this value of a column, or have it too."""
    is_null = Q(**{f"{name}__isnull": True})
    are_nulls_last = column.nulls_last or not (column.descending or column.nulls_first)
    if value is None and are_nulls_last:
        return is_null if or_same else _NOTHING
    if value is None:
        return Q() if or_same else ~is_null
    onward = Q(**{f"{name}__{'lt' if column.descending else 'gt'}{or_same}": value})
    return onward | is_null if are_nulls_last else onward
