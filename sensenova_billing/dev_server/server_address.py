"""Under which address the web server is reached on this machine, and how other commands find it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FILE = "address"


def local_url(*, address: str, port: int) -> str:
    """Return the URL, on this machine, of a server that listens on this address."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


@contextmanager
def announced(directory: Path, url: str) -> Iterator[None]:
    """Name the running server in its data directory."""
    file = directory / _FILE
    file.write_text(f"{url}\n")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def announced_url(directory: Path) -> str | None:
    """Return where the server on this data directory is reached; None if none was announced."""
    try:
        return (directory / _FILE).read_text().strip() or None
    except OSError:
        return None
