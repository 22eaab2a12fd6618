"""Where seals are published: a file with a line for each hour, or an object store with an object."""

import datetime as dt
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages

from invoices.seals.seal_list import HEAD, ListedSeal, read_list, write_lines

STORAGE = "seals"  # its name among Django's storages
_HEAD_LINE = ",".join(HEAD) + "\n"


class SealStore(Protocol):
    """A place from which nothing is removed; one process at a time writes there."""

    def last(self, *, newest_first: Iterable[dt.datetime]) -> ListedSeal | None:
        """Return the last seal that is stored; `newest_first` are the hours of which it may be."""

    def add(self, seals: Sequence[ListedSeal]) -> None:
        """Store seals of later hours, oldest first; they are durable when this returns."""


class SealFile:
    """A file; the system may allow nothing but appending to it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def last(self, *, newest_first: Iterable[dt.datetime]) -> ListedSeal | None:
        """Read it through: a year has less than a megabyte."""
        if not self._path.exists():
            return None
        *_, last = [None, *read_list(self._path.read_text(encoding="utf-8").splitlines())]
        return last

    def add(self, seals: Sequence[ListedSeal]) -> None:
        """Append, after a line that was cut off on a line of its own."""
        with self._path.open("a+b") as file:
            begin = _HEAD_LINE if file.tell() == 0 else "" if self._ends_a_line() else "\n"
            file.write(f"{begin}{write_lines(seals)}".encode())
            file.flush()
            os.fsync(file.fileno())

    def _ends_a_line(self) -> bool:
        with self._path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read() == b"\n"


class SealObjects:
    """An object for each hour, in a storage of Django's; written once, so that its bucket may be locked."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def last(self, *, newest_first: Iterable[dt.datetime]) -> ListedSeal | None:
        """Look for the newest object: they are written oldest first, so no later one is missing before it."""
        for hour in newest_first:
            if self._storage.exists(name := _object_name(hour)):
                with self._storage.open(name) as file:
                    *_, last = [None, *read_list(file.read().decode().splitlines())]
                return last
        return None

    def add(self, seals: Sequence[ListedSeal]) -> None:
        """Write one object after the other."""
        for seal in seals:
            text = _HEAD_LINE + write_lines([seal])
            self._storage.save(_object_name(seal.hour), ContentFile(text.encode()))


def _object_name(hour: dt.datetime) -> str:
    return f"{hour.astimezone(dt.UTC):%Y/%m/%Y%m%dT%HZ}.csv"


def place_of_seals() -> str:
    """Return the place that the settings name, a path or the class of a storage; empty if there is none."""
    return settings.SEALS_FILE or str(settings.STORAGES.get(STORAGE, {}).get("BACKEND", ""))


def configured_store() -> SealStore | None:
    """Return what keeps seals in that place."""
    if settings.SEALS_FILE:
        return SealFile(Path(settings.SEALS_FILE))
    return SealObjects(storages[STORAGE]) if STORAGE in settings.STORAGES else None
