"""A product that runs."""

import http.client
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sensenova_billing.processes import (
    eventually,
    run_until_up,
    status,
    temporary_data_directory,
)


@dataclass(frozen=True)
class Product:
    """A whole product that runs: where, and on which port it answers."""

    directory: Path
    port: int

    def is_ready(self) -> bool:
        """Tell whether requests are served."""
        try:
            return status(self.port, "/readyz") == 200
        except (OSError, http.client.HTTPException):
            return False


@pytest.fixture(scope="session")
def product_of_all_tests(prepared: Path) -> Iterator[Product]:
    """A product that runs until the last test."""
    with temporary_data_directory(prepared) as directory:
        _, port = run_until_up(directory)
        yield Product(directory, port)


@pytest.fixture
def product(product_of_all_tests: Product) -> Product:
    """A running product that others use as well: a test may break only what mends itself."""
    assert eventually(product_of_all_tests.is_ready, seconds=60)
    return product_of_all_tests
