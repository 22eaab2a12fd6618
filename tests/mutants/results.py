"""What became of the mutants: from the file of earlier runs, or of a run now."""

import hashlib
import json
import queue
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cache
from pathlib import Path

from tests.mutants.catalogue import tests_of
from tests.mutants.mutant import Mutant
from tests.mutants.running import ROOT, Outcome, Result, Workplace

FIRST = 8


class Results:
    """The results by the names of the mutants, and the tests that fail without a fault."""

    def __init__(self, mutants: Sequence[Mutant], *, file: Path, anew: bool) -> None:
        """Read those that are known."""
        file.parent.mkdir(parents=True, exist_ok=True)
        known = {} if anew or not file.exists() else _read(file)
        self.by_name = {
            one.name: known[key]
            for one in mutants
            for key in _keys(one)
            if key in known and _is_there(known[key].test)
        }
        self.broken: set[str] = set()
        self._mutants = mutants
        self._file = file
        self._verified: set[str] = set()
        self._seen_by: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._free: queue.SimpleQueue[Workplace] = queue.SimpleQueue()
        self._lock = threading.Lock()

    def complete(self, places: Sequence[Workplace]) -> None:
        """Run the others; once more those that were seen by a test that fails without a fault."""
        while True:
            self._verify(places[0])
            todo = [mutant for mutant in self._mutants if mutant.name not in self.by_name]
            if not todo:
                return
            self._free = queue.SimpleQueue()
            for place in places:
                self._free.put(place)
            pool = ThreadPoolExecutor(len(places))
            try:
                list(pool.map(self._run, todo))
            finally:
                pool.shutdown(cancel_futures=True)

    def _run(self, mutant: Mutant) -> None:
        place = self._free.get()
        with self._lock:
            # What has seen most faults in this file comes first: it will see most of the others.
            first = [test for test, _ in self._seen_by[mutant.path].most_common(FIRST)]
        try:
            result = place.run(mutant, tests=[*first, *tests_of(mutant.path)], without=self.broken)
        finally:
            self._free.put(place)
        with self._lock:
            self.by_name[mutant.name] = result
            if "::" in result.test:
                self._seen_by[mutant.path][result.test] += 1
            self._write(mutant, result)
            count = f"{len(self.by_name)} of {len(self._mutants)}"
            sys.stdout.write(f"{count}  {result.seconds} s  {result.outcome}  {mutant.name}\n")
            sys.stdout.flush()

    def _verify(self, place: Workplace) -> None:
        """Forget what was seen by tests that fail without a fault."""
        killers = {result.test for result in self.by_name.values() if "::" in result.test} - self._verified
        self.broken |= place.failing(sorted(killers)) if killers else set()
        self._verified |= killers
        self.by_name = {
            name: result for name, result in self.by_name.items() if result.test not in self.broken
        }

    def _write(self, mutant: Mutant, result: Result) -> None:
        key = _keys(mutant)[result.outcome is Outcome.SURVIVED]
        with self._file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"key": key, "name": mutant.name, **asdict(result)}) + "\n")


def _keys(mutant: Mutant) -> tuple[str, str]:
    """Return by what a result is known again: a mutant that was seen, and one that was not by these tests."""
    seen = hashlib.sha256(mutant.after.encode())
    not_seen = seen.copy()
    not_seen.update(_contents(tests_of(mutant.path)))
    return seen.hexdigest(), not_seen.hexdigest()


@cache
def _is_there(test: str) -> bool:
    """Whether a test that has killed a mutant still exists."""
    path, _, name = test.partition("::")
    return not name or (
        (ROOT / path).exists() and f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")
    )


@cache
def _contents(paths: Iterable[str]) -> bytes:
    return b"".join((ROOT / path).read_bytes() for path in paths)


def _read(file: Path) -> dict[str, Result]:
    found = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        said = json.loads(line)
        found[said["key"]] = Result(Outcome(said["outcome"]), said["test"], said["seconds"])
    return found
