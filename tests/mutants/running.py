"""Runs the tests of one mutant after the other, each in a copy of the tree and on a database of its own."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sensenova_billing.dev_server.parent_death import tied_to_caller
from tests.mutants.databases import copy_template, url_of
from tests.mutants.functions import is_statement, replace_function
from tests.mutants.mutant import Mutant

ROOT = Path(__file__).resolve().parents[2]
# pytest's own exit codes: tests failed; a test file could not be read, as where an import fails.
_FAILED, _NOT_COLLECTED = 1, 2
_FAILURES = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
# A loop without an end is a fault that is seen; a machine that is busy with something else is not.
SECONDS = 600
# A loop that also keeps something does not take the memory of everything else.
BYTES = 2**30
# Only what the tests need: the other plugins take longer to begin than most tests take.
_PYTEST = [
    *(sys.executable, "-m", "pytest", "-o", "addopts=", "--ds=tests.settings", "-q", "-rfE", "--tb=no"),
    *("-p", "pytest_django.plugin", "-p", "_hypothesis_pytestplugin", "-p", "no:cacheprovider"),
    *("-p", "tests.mutants.unshrunk", "--reuse-db", "--hypothesis-seed=0"),
]


class Outcome(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    TIMED_OUT = "timed out"
    SURVIVED = "survived"
    INVALID = "invalid"  # PostgreSQL does not take the function


@dataclass(frozen=True)
class Result:
    """The outcome, the first test that failed, and how long it took."""

    outcome: Outcome
    test: str
    seconds: float


def _function(test: str) -> str:
    """Return a test without its parameters, which may hold blanks."""
    return test.partition("[")[0]


class TestsBroken(Exception):
    """The tests cannot be run; the text shows what pytest wrote."""


class Workplace:
    """A copy of the tree and a database, for one mutant at a time."""

    def __init__(self, *, tree: Path, server: str, name: str) -> None:
        """Copy the files that Git knows or would know."""
        self._tree = tree
        self._server = server
        self._database = name
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        for path in subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split(
            "\0"
        ):
            if path and (ROOT / path).is_file():
                (tree / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / path, tree / path)

    def migrate(self) -> str:
        """Make the test database by one run of tests, and return its name."""
        code, output = self._run_pytest(
            ["tests/pricing/rules/test_measures.py", "tests/usage/test_billing_hours.py"],
            600,
        )
        if code != 0:
            raise TestsBroken(output[-2000:])
        return f"test_{self._database}"

    def failing(self, tests: Sequence[str]) -> set[str]:
        """Return which of these tests fail where nothing is wrong."""
        copy_template(self._server, f"test_{self._database}")
        code, output = self._run_pytest(tests, SECONDS)
        if code not in (0, _FAILED):
            raise TestsBroken(output[-2000:])
        return set(map(_function, _FAILURES.findall(output)))

    def run(self, mutant: Mutant, *, tests: Sequence[str], without: Iterable[str]) -> Result:
        """Return whether the tests, without some of them, see this fault."""
        began = time.monotonic()
        copy_template(self._server, f"test_{self._database}")
        if mutant.path.endswith(".sql") and not is_statement(Path(mutant.path)):
            database = url_of(self._server, f"test_{self._database}")
            if not replace_function(database, before=mutant.before, after=mutant.after):
                return Result(Outcome.INVALID, "", time.monotonic() - began)
        self._write(mutant.path, mutant.after)
        try:
            left_out = [f"--deselect={test}" for test in without]
            code, output = self._run_pytest(["-x", *left_out, *tests], SECONDS)
        finally:
            self._write(mutant.path, mutant.before)
        took = round(time.monotonic() - began, 1)
        if code is None:
            return Result(Outcome.TIMED_OUT, "", took)
        if code == 0:
            return Result(Outcome.SURVIVED, "", took)
        failed = _FAILURES.search(output)
        if code not in (_FAILED, _NOT_COLLECTED) or failed is None:
            raise TestsBroken(output[-2000:])
        return Result(Outcome.KILLED, _function(failed.group(1)), took)

    def _write(self, path: str, text: str) -> None:
        file = self._tree / path
        file.write_text(text, encoding="utf-8")
        # By its length and its second Python would take the compiled copy of another mutant for this one's.
        for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
            compiled.unlink()

    def _run_pytest(self, tests: Sequence[str], seconds: float) -> tuple[int | None, str]:
        """Return the exit code, or None if it took too long, and what was written."""
        environment = {
            **os.environ,
            "DATABASE_URL": url_of(self._server, self._database),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        process = subprocess.Popen(
            [*_PYTEST, *tests],
            cwd=self._tree,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=tied_to_caller(),
        )
        resource.prlimit(process.pid, resource.RLIMIT_DATA, (BYTES, BYTES))
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return None, ""
        return process.returncode, output
