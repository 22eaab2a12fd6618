"""HAProxy in front of the web server: it ends requests that arrive too slowly (deploy/haproxy.cfg).

The web server itself waits for a body without a limit (granian's issue 728). nginx has no limit for a whole
body, and Caddy answers 200 where its own limit has ended a request.
"""

import os
import shutil

from sensenova_billing.dev_server.data_directory import REPOSITORY

CONFIGURATION = REPOSITORY / "deploy" / "haproxy.cfg"
# For documentation only (RFC 5737): no proxy has an address there.
NO_NETWORK = "192.0.2.0/32"


def find_proxy() -> str | None:
    """Return HAProxy's program if it is installed and wanted.

    Not behind a proxy of the operator's own, which is to have limits like these itself.
    """
    if os.environ.get("BEHIND_PROXY", "0") not in ("", "0") or os.environ.get("PROXY") == "0":
        return None
    # Debian keeps it where only root's PATH leads.
    return shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")


def proxy_command(program: str) -> list[str]:
    """Return the command that serves, in the foreground."""
    return [program, "-db", "-f", str(CONFIGURATION)]


def proxy_environment(*, address: str, port: int, upstream: int) -> dict[str, str]:
    """Return what the configuration takes from the environment."""
    host = f"[{address}]" if ":" in address else address
    return {
        **os.environ,
        "LISTEN": f"{host}:{port}",
        "UPSTREAM": f"127.0.0.1:{upstream}",
        "PROXIES_IN_FRONT": NO_NETWORK,
    }
