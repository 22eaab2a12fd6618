"""The key that signs sessions and cookies: nothing is served with one that others know.

SECRET_KEY comes from the environment; without it `make run` makes a random one and keeps it in its data
directory. Management commands that find neither use a random one of their own: they sign nothing that lasts.
"""

import os
import secrets
from ipaddress import ip_address
from pathlib import Path

FILE = "secret-key"
LEAST_CHARACTERS = 50
# Keys that stood in releases of this project, and how generated projects of Django begin theirs.
PUBLISHED = ("insecure-quick-start-key", "only-for-this-check-", "django-insecure-")
HOW_TO_CHOOSE = (
    "Set SECRET_KEY to 50 or more random characters, such as those of "
    "`python3 -c 'import secrets; print(secrets.token_urlsafe(50))'`, or start with `make run` and without "
    "SECRET_KEY: it makes a key of its own."
)


def new_secret_key() -> str:
    """Return a random key."""
    return secrets.token_urlsafe(LEAST_CHARACTERS)


def stored_secret_key(directory: Path) -> str:
    """Return the key that is stored in a data directory; nothing where this account cannot read one."""
    try:
        return (directory / FILE).read_text().strip()
    except OSError:
        return ""


def store_secret_key(directory: Path) -> None:
    """Store a random key in a data directory, which only the owner may read, unless one is there."""
    path = directory / FILE
    if stored_secret_key(directory):
        path.chmod(0o600)
        return
    # Written beside and renamed, so that no process reads half a key.
    unfinished = directory / f"{FILE}.unfinished"
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(new_secret_key())
    unfinished.replace(path)


def fault_of(key: str, *, address: str = "") -> str:
    """Return why this key must not be served with, or nothing; on a loopback address any secret will do."""
    if key.startswith(PUBLISHED):
        return f"SECRET_KEY is published: anyone who knows it can sign in as any person. {HOW_TO_CHOOSE}"
    if address and not _is_loopback(address) and (len(key) < LEAST_CHARACTERS or len(set(key)) < 5):
        return f"SECRET_KEY can be guessed, and {address} can be reached from elsewhere. {HOW_TO_CHOOSE}"
    return ""


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:  # a name
        return address == "localhost"
