"""The documentation names files that exist."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("findings/*.md")])
PAGES.remove(ROOT / "CHANGELOG.md")  # which tells of the past
# `usage/ingest/record.py`; what is in angle brackets or has a star stands for several.
_PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|sql|lua|html|md|cfg|yaml|sh|js))`")
_NAME = re.compile(r"`([\w-]+\.(?:py|sql|lua|html))`")
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def named_in(page):
    """The files that a page names or links to, as paths from the root."""
    text = page.read_text(encoding="utf-8")
    linked = [page.parent / target for target in _LINK.findall(text)]
    return [ROOT / path for path in _PATH.findall(text)] + linked


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page):
    assert [path for path in named_in(page) if not path.exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_name_of_a_file_without_its_folder_is_that_of_one(page):
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    known = {Path(path).name for path in tracked.splitlines()}

    assert set(_NAME.findall(page.read_text(encoding="utf-8"))) - known == set()


def test_pages_name_files():
    assert sum(len(named_in(page)) for page in PAGES) > 100
