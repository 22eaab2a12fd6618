"""Two closed hours to be archived, and the folder of the files."""

from pathlib import Path
from typing import Any

import pytest

from accounts.models import Customer
from tests.invoices.retention.builders import keep_books_to_archive


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """Where archives are written."""
    settings.USAGE_ARCHIVE_DIR = str(tmp_path)
    return tmp_path


@pytest.fixture
def books(acme: Customer, globex: Customer, folder: Path) -> None:
    """Four calls in two closed hours."""
    keep_books_to_archive()
