"""A product that runs, and the cluster that others start from."""

import fcntl
import http.client
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sensenova_billing.processes import (
    eventually,
    prepare_cluster,
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
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cluster to be copied, with every table and the catalogue; all processes of a run share one."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    cluster = shared / "prepared-cluster"
    with (shared / "prepared-cluster.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not cluster.exists():
            prepare_cluster(cluster)
    return cluster


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
