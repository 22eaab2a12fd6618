"""Where the embedded PostgreSQL, the logs and the beat's schedule live, and which account may use them.

PostgreSQL refuses to run as root; for root it runs as `nobody`, which must be able to reach its files.
"""

import fcntl
import hashlib
import os
import pwd
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FOR_UNREACHABLE_CHECKOUTS = Path("/var/lib/sensenova-billing")
# What the kernel allows for the name of a Unix socket, and what PostgreSQL adds to the directory's name.
LONGEST_SOCKET_NAME = 107
SOCKET_NAME = "/.s.PGSQL.5432"


class StartFailed(Exception):
    """A start is impossible, for the reason given in one sentence."""


def data_directory() -> Path:
    """Return the directory that holds all that outlasts a start; it need not exist."""
    chosen = os.environ.get("SENSENOVA_DATA_DIR")
    if chosen:
        return (REPOSITORY / Path(chosen).expanduser()).resolve()
    if can_reach(REPOSITORY):
        return REPOSITORY / "var"
    return FOR_UNREACHABLE_CHECKOUTS / short_hash(REPOSITORY)


def socket_directory(directory: Path) -> Path:
    """Return the directory of PostgreSQL's socket: within `directory` unless the name is too long."""
    within = directory / "run"
    if len(os.fsencode(within)) + len(SOCKET_NAME) <= LONGEST_SOCKET_NAME:
        return within
    return Path("/tmp") / f"sensenova-{os.geteuid()}-{short_hash(directory)}"


def short_hash(path: Path) -> str:
    """Return eight hex digits that stand for a path."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:8]


def server_account() -> pwd.struct_passwd:
    """Return the account that PostgreSQL runs as."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def can_reach(path: Path) -> bool:
    """Tell whether PostgreSQL's account may walk down to this directory, as far as it is made."""
    if os.geteuid() != 0:
        return True
    walked = [step for step in (path, *path.parents) if step.exists()]
    return all(step.stat().st_mode & stat.S_IXOTH for step in walked)


def make_reachable(directory: Path) -> None:
    """Make a directory that PostgreSQL's account can walk to, changing none that was there before."""
    try:
        missing = [step for step in (directory, *directory.parents) if not step.exists()]
        for step in reversed(missing):
            step.mkdir()
            step.chmod(0o755)  # whatever the umask
    except OSError as failure:
        raise StartFailed(
            f"Cannot make {directory}: {failure.strerror}. Name another SENSENOVA_DATA_DIR."
        ) from failure
    if not can_reach(directory):
        raise StartFailed(
            f"Run by root, PostgreSQL runs as nobody, which cannot reach {directory}: "
            "name another SENSENOVA_DATA_DIR."
        )


def make_private(directory: Path) -> None:
    """Make a directory that only PostgreSQL's account may enter; another's is refused."""
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    account = server_account()
    if stat.S_ISLNK(found.st_mode) or found.st_uid not in (os.geteuid(), account.pw_uid):
        raise StartFailed(f"{directory} is not ours: remove it or name another SENSENOVA_DATA_DIR.")
    if found.st_uid != account.pw_uid:
        os.chown(directory, account.pw_uid, account.pw_gid)


def make_temporary() -> Path:
    """Make an empty directory, to be thrown away, that PostgreSQL's account can walk to."""
    parents = [Path(tempfile.gettempdir()).resolve(), Path("/tmp"), Path("/var/tmp")]
    parent = next((parent for parent in parents if can_reach(parent)), parents[0])
    made = Path(tempfile.mkdtemp(prefix="sensenova-", dir=parent))
    made.chmod(0o711)
    return made


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Keep a data directory to this process alone, or fail at once if another has it."""
    with (directory / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            raise StartFailed(f"SenseNova Billing is already running on {directory}.") from taken
        yield
