"""docs/licences.md lists what is installed with the product, with the licence that each states."""

import re
from importlib import metadata
from pathlib import Path

import pytest

from tests.tables import table

LOCK = Path(__file__).parent.parent / "requirements.lock"
COLUMNS = ("distribution", "licence as it states it")
LISTED: dict[str, str] = {row[0]: row[1] for row in table("licences.md", *COLUMNS)}


def stated_licence(name):
    """What the metadata state: an SPDX expression, else words, else the classifiers."""
    stated = metadata.metadata(name)
    classifiers = [one.rpartition(" :: ")[2] for one in stated.get_all("Classifier", []) if "License" in one]
    # Some put the whole text there.
    named = [one for one in stated.get_all("License", []) if "\n" not in one]
    words = [*stated.get_all("License-Expression", []), *named]
    return next(filter(None, words), ", ".join(classifiers))


def is_installed(name):
    return any(metadata.distributions(name=name))


def test_every_locked_distribution_is_listed():
    locked = re.findall(r"^([\w.-]+)(?:\[.*\])?==", LOCK.read_text(), re.MULTILINE)

    assert sorted(LISTED) == sorted(locked)


@pytest.mark.parametrize("name", [name for name in LISTED if is_installed(name)])
def test_a_distribution_has_the_licence_that_is_listed(name):
    assert LISTED[name] == stated_licence(name)
