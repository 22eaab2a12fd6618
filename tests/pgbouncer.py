"""PgBouncer, Debian's package, in transaction mode before a PostgreSQL of the tests; without any port."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from sensenova_billing.dev_server.data_directory import make_private, make_temporary, server_account

PROGRAM = shutil.which("pgbouncer")
WHY_SKIPPED = "PgBouncer is not installed (apt-get install pgbouncer)"
# Fewer than there are clients, so that these share them.
SERVER_CONNECTIONS = 3


@contextmanager
def pgbouncer(url: str, **more: str) -> Iterator[str]:
    """Give the URL of the same database through PgBouncer; `more` are settings of it."""
    given = urlsplit(url)
    place = make_temporary()
    directory = place / "pgbouncer"
    make_private(directory)
    settings = {
        "listen_addr": "",
        "listen_port": "6432",
        "unix_socket_dir": str(directory),
        "auth_type": "any",
        "pool_mode": "transaction",
        "default_pool_size": str(SERVER_CONNECTIONS),
        "max_client_conn": "500",
        **more,
    }
    lines = [
        "[databases]",
        f"{given.path[1:]} = host={parse_qs(given.query)['host'][0]} user=postgres",
        "[pgbouncer]",
        *(f"{name} = {value}" for name, value in settings.items()),
    ]
    (place / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
    account = ["-u", server_account().pw_name] if os.geteuid() == 0 else []
    with (place / "log").open("w") as log:
        process = subprocess.Popen([str(PROGRAM), *account, place / "pgbouncer.ini"], stdout=log, stderr=log)
    try:
        _wait(directory / ".s.PGSQL.6432", process, place / "log")
        yield f"postgresql://postgres@{given.path}?host={quote(str(directory), safe='')}&port=6432"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(place)


def _wait(path: Path, process: "subprocess.Popen[bytes]", log: Path) -> None:
    while True:
        with socket.socket(socket.AF_UNIX) as trial:
            try:
                trial.connect(str(path))
            except OSError:
                assert process.poll() is None, log.read_text()
                time.sleep(0.05)
            else:
                return
