"""Parquet files of usage records: each row group holds rows of one hour, by customer and event id.

The columns are those of the table. A file that was written before a column was added lacks it: null. A row
is a tuple in the order of `COLUMNS`; `metadata` is its JSON text. Memory holds one row group at a time.
"""

import datetime as dt
import hashlib
import os
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec
from django.db import models

from usage.models import UsageRecord

try:
    import pyarrow
    from pyarrow import parquet
except ImportError:  # an optional requirement
    pyarrow = parquet = None

Row = tuple[Any, ...]

ROWS_IN_A_GROUP = 20_000
COLUMNS = tuple(str(field.column) for field in UsageRecord._meta.concrete_fields)
_HOUR, _CUSTOMER = COLUMNS.index("billing_hour"), COLUMNS.index("customer_id")
_encode = msgspec.json.Encoder().encode


class ArchiveError(Exception):
    """An archive cannot be written or read; the text says why."""


def require_pyarrow() -> None:
    """Raise ArchiveError where pyarrow is not installed."""
    if pyarrow is None:
        raise ArchiveError("Archives need pyarrow: install requirements-archive.lock (docs/retention.md).")


class RowsDigest:
    """The SHA-256 over rows in their order, and their number."""

    def __init__(self) -> None:
        self.rows = 0
        self._sha256 = hashlib.sha256()

    def watch(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Pass rows on, and add them."""
        for row in rows:
            self.rows += 1
            self._sha256.update(_encode(row))
            yield row

    def result(self) -> tuple[int, str]:
        """How many rows, and their hash."""
        return self.rows, self._sha256.hexdigest()


def digest_of(rows: Iterable[Row]) -> tuple[int, str]:
    """Return how many rows these are, and the SHA-256 over them."""
    digest = RowsDigest()
    for _ in digest.watch(rows):
        pass
    return digest.result()


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows, which come by hour, to a new file, and have the disk hold it; or raise ArchiveError."""
    require_pyarrow()
    schema = _schema()
    try:
        with path.open("wb") as out:
            with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
                for _, of_hour in groupby(rows, itemgetter(_HOUR)):
                    while group := [*islice(of_hour, ROWS_IN_A_GROUP)]:
                        columns = [
                            pyarrow.array(values, type=field.type)
                            for values, field in zip(zip(*group, strict=True), schema, strict=True)
                        ]
                        writer.write_table(pyarrow.table(columns, schema=schema), row_group_size=len(group))
            out.flush()
            os.fsync(out.fileno())
    except (OSError, pyarrow.ArrowException) as error:
        raise ArchiveError(f"{path} cannot be written: {error}") from error


def read_rows(
    path: Path, *, hour: dt.datetime | None = None, customer_id: int | None = None
) -> Iterator[Row]:
    """Yield the rows of a file, or only those of an hour or a customer; or raise ArchiveError."""
    require_pyarrow()
    try:
        with parquet.ParquetFile(path) as file:
            there = set(file.schema_arrow.names)
            for number in range(file.metadata.num_row_groups):
                if not _may_hold(file.metadata.row_group(number), hour=hour, customer_id=customer_id):
                    continue
                group = file.read_row_group(number)
                nothing = [None] * group.num_rows
                columns = [group[name].to_pylist() if name in there else nothing for name in COLUMNS]
                for row in zip(*columns, strict=True):
                    if customer_id is None or row[_CUSTOMER] == customer_id:
                        yield row
    except (OSError, pyarrow.ArrowException) as error:
        raise ArchiveError(f"{path} cannot be read: {error}") from error


def _may_hold(group: Any, *, hour: dt.datetime | None, customer_id: int | None) -> bool:
    """Whether a row group may hold rows of this hour (it holds those of one hour) and of this customer."""
    found = {
        group.column(place).path_in_schema: group.column(place).statistics for place in (_HOUR, _CUSTOMER)
    }
    hours, customers = found["billing_hour"], found["customer_id"]
    return (hour is None or hours.min == hour) and (
        customer_id is None or customers.min <= customer_id <= customers.max
    )


def sha256_of(path: Path) -> bytes:
    """Return the SHA-256 of a file's bytes; or raise ArchiveError."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error}") from error


def _schema() -> Any:
    return pyarrow.schema(
        [pyarrow.field(field.column, _type(field)) for field in UsageRecord._meta.concrete_fields]
    )


def _type(field: Any) -> Any:
    match field:
        case models.DateTimeField():
            return pyarrow.timestamp("us", tz="UTC")
        case models.BooleanField():
            return pyarrow.bool_()
        case models.BigIntegerField() | models.ForeignKey():
            return pyarrow.int64()
        case _:
            return pyarrow.string()
