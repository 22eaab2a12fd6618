"""Folders stay small enough to be taken in at a glance."""

from collections import Counter
from pathlib import Path

from django.conf import settings

APPS = ("accounts", "pricing", "usage", "invoices", "sensenova_billing")
MOST_MODULES = 13


def test_no_folder_holds_more_modules_than_one_can_take_in():
    paths = [path for app in APPS for path in Path(settings.BASE_DIR, app).rglob("*.py")]
    modules = [path for path in paths if path.stem != "__init__" and path.parent.name != "migrations"]
    widths = Counter(str(path.parent) for path in modules)

    assert widths
    assert {folder: width for folder, width in widths.items() if width > MOST_MODULES} == {}
