"""Somebody adds a measure and a kind of price by the lists of docs/architecture.md, and leaves nothing out.

The edits below are those of the lists, made in a copy of the product. There every test of measures and kinds
has to pass with them; without any one of them some test fails.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from sensenova_billing.dev_server.data_directory import REPOSITORY
from sensenova_billing.dev_server.postgres import DATABASE
from tests.sensenova_billing.processes import server_on_copy

TESTS = ("tests/test_measures.py", "tests/test_kinds.py", "tests/test_migrations.py")
# Of the tests for each measure and kind, those of the inventions.
NEW_ONES = " and ".join(f"not {known}" for known in [*Measure, *Kind])
# A file, a text in it, and what takes its place.
MEASURE = [
    (
        "pricing/rules/measures.py",
        '    REQUESTS = "requests"\n',
        '    REQUESTS = "requests"\n    VIDEO_TOKENS = "video_tokens"\n',
    ),
    (
        "usage/models.py",
        "    requests = _rare_quantity()\n",
        "    requests = _rare_quantity()\n    video_tokens = _rare_quantity()\n",
    ),
    ("docs/catalogue-files.md", "or `requests`", "`requests` or `video_tokens`"),
    ("docs/clients.md", "`data.requests`", "`data.requests`, `data.video_tokens`"),
]
KIND = [
    (
        "pricing/rules/kinds.py",
        '    LIST_PRICE = "list_price"\n',
        '    PARTNER_PRICE = "partner_price"\n    LIST_PRICE = "list_price"\n',
    ),
    (
        "pricing/rules/kinds.py",
        "    Kind.LIST_PRICE: (",
        '    Kind.PARTNER_PRICE: ("partner price", "warning"),\n    Kind.LIST_PRICE: (',
    ),
    *(
        (path, '"limited_time_offer", "list_price")', '"limited_time_offer", "partner_price", "list_price")')
        for path in ("invoices/books/expected.py", "tests/invoices/rating/test_price_histories.py")
    ),
    ("docs/catalogue-files.md", "`kind` is `list_price`,", "`kind` is `list_price`, `partner_price`,"),
    ("docs/pricing.md", "*list price*, *limited-time", "*list price*, *partner price*, *limited-time"),
    ("docs/pricing.md", "| G | free trial | acme |", "| H | partner price | acme |"),
]
SECTIONS = {"To add a measure": MEASURE, "To add a kind of price": KIND}


@pytest.fixture(scope="module")
def outcomes(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The tests of measures and kinds by their outcome, in a copy of the product with both inventions."""
    copy = tmp_path_factory.mktemp("inventions")
    copy_product(copy)
    for path, old, new in [*MEASURE, *KIND]:
        file = copy / path
        assert old in file.read_text(encoding="utf-8"), path
        file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with server_on_copy(prepared, fsync=False) as url:
        with psycopg.connect(url.replace(f"/{DATABASE}?", "/postgres?"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE test_inventions TEMPLATE {DATABASE}")
        environment = os.environ | {"DATABASE_URL": url.replace(f"/{DATABASE}?", "/inventions?")}
        run("manage.py", "makemigrations", "pricing", "usage", "invoices", cwd=copy, env=environment)
        said = run("-m", "pytest", *TESTS, "-k", NEW_ONES, "-q", "-rA", "--tb=line", "--reuse-db",
                   "-p", "no:cacheprovider", cwd=copy, env=environment)  # fmt: skip
    found = re.findall(r"^(PASSED|FAILED|ERROR) (\S+)", said, re.MULTILINE)
    assert found, said
    return {outcome: [name for one, name in found if one == outcome] for outcome, _ in found}


def copy_product(to: Path) -> None:
    """Copy every file of the product that git does not ignore."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    for path in map(Path, files.splitlines()):
        # With what is compiled already, which is good for a file of the same age.
        compiled = (REPOSITORY / path).parent.glob(f"__pycache__/{path.stem}.*.pyc")
        for file in (REPOSITORY / path, *compiled):
            target = to / file.relative_to(REPOSITORY)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)


def run(*arguments: str, cwd: Path, env: dict[str, str]) -> str:
    """Run Python there, not as a worker of this run of the tests, and return what it says."""
    inherited = {name: value for name, value in env.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=inherited, check=False, capture_output=True, text=True
    ).stdout


def test_an_invented_measure_and_an_invented_kind_are_taken_everywhere(outcomes):
    assert [*outcomes.get("FAILED", ()), *outcomes.get("ERROR", ())] == []


@pytest.mark.parametrize("invention", ["video_tokens", "partner_price"])
def test_the_tests_run_with_the_invention(outcomes, invention):
    assert len([name for name in outcomes["PASSED"] if f"[{invention}]" in name]) >= 9


@pytest.mark.parametrize("title", SECTIONS)
def test_the_documentation_lists_every_file_of_the_edits(title):
    page = (REPOSITORY / "docs/architecture.md").read_text(encoding="utf-8")
    section = page.partition(f"## {title}\n")[2].partition("\n## ")[0]

    assert {path for path, *_ in SECTIONS[title]} - set(re.findall(r"`([^` ]+)`", section)) == set()
