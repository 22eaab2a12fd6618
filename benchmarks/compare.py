"""`make bench-compare BASE=<commit>`: the benchmarks of two builds in turn on one machine, and their ratios.

Each build runs its own benchmarks, with what its own lock file asks for.
"""

import argparse
import io
import re
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent.parent
LOCK = "requirements-dev.lock"
# What is measured unless other arguments are given: no history, and what both builds can do.
BENCHMARKS = {
    "ingest": ["--history", "0"],
    "admission": [],
    "closing": ["--history", "0", "--sizes", "1000000", "10000000"],
    "effect": [],
}
UNIT = re.compile(r"/s$|, (s|ms|MB)$|^ratio$")
SINGLE_POSTS = re.compile(r"Empty view: ([\d,]+) .* Single posts: ([\d,]+)/s, ([\d.]+) of it")
# Benchmark, number of the table in its output, labels of the row, title of the column.
Measure = tuple[str, int, str, str]


def measures(benchmark: str, printed: str) -> Iterator[tuple[Measure, float]]:
    """Read the figures of the tables that a benchmark prints; labels come before the first figure."""
    titles: list[str] = []
    table = 0
    for line in printed.splitlines():
        if found := SINGLE_POSTS.search(line):
            named = zip(
                ("empty view, requests/s", "single posts, requests/s", "ratio"), found.groups(), strict=True
            )
            yield from (((benchmark, 0, "single posts", title), _number(text)) for title, text in named)
        if not line.startswith("|"):
            titles = []
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not titles:
            titles, table = cells, table + 1
        elif not line.startswith("|---"):
            first = next((place for place, title in enumerate(titles) if UNIT.search(title)), len(titles))
            for title, cell in zip(titles[first:], cells[first:], strict=True):
                if UNIT.search(title) and re.fullmatch(r"[\d.,]+", cell):
                    yield (benchmark, table, ", ".join(cells[:first]), title), _number(cell)


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def check_out(commit: str, directory: Path, *, lock: str = LOCK) -> None:
    """Put the files of a commit there, and an environment with what this lock file of it asks for."""
    archive = subprocess.run(
        ["git", "archive", "--format=tar", commit], cwd=HERE, check=True, stdout=subprocess.PIPE
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(directory, filter="data")
    if (directory / ".venv").exists():
        return
    if (directory / lock).read_bytes() == (HERE / lock).read_bytes():
        (directory / ".venv").symlink_to(HERE / ".venv")
    else:
        target = f".venv/{lock.removesuffix('.lock')}"
        subprocess.run(["make", target], cwd=directory, check=True, stdout=sys.stderr)


def run(directory: Path, benchmark: str, arguments: list[str]) -> dict[Measure, float]:
    """Run a benchmark of the build in this directory."""
    done = subprocess.run(
        [directory / ".venv/bin/python", "-m", f"benchmarks.{benchmark}", *arguments],
        cwd=directory,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    sys.stderr.write(done.stdout)
    return dict(measures(benchmark, done.stdout))


def show(taken: dict[Measure, list[tuple[float, float]]]) -> None:
    """Print a row for each measure: the medians of both builds and of the ratios of the pairs."""
    sys.stdout.write("| benchmark | row | figure | base | this build | ratio | all ratios |\n")
    sys.stdout.write(f"|{'---|' * 7}\n")
    for (benchmark, table, row, figure), pairs in taken.items():
        ratios = [this / base for base, this in pairs if base]
        if not ratios:
            continue
        base, this = (statistics.median(column) for column in zip(*pairs, strict=True))
        every = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        sys.stdout.write(
            f"| {benchmark}{f' {table}' if table else ''} | {row} | {figure} | {base:,.6g} | {this:,.6g} "
        )
        sys.stdout.write(f"| {statistics.median(ratios):.2f} | {every} |\n")


def main() -> None:
    """Run the benchmarks of both builds in turn and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", help="the commit to compare with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument("--arguments", help="of the benchmarks, instead of the usual ones")
    options = parser.parse_args()
    taken: dict[Measure, list[tuple[float, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as made:
        check_out(options.base, Path(made))
        for benchmark in options.only:
            usual = BENCHMARKS[benchmark]
            arguments = usual if options.arguments is None else options.arguments.split()
            for _ in range(options.rounds):
                base, this = (run(directory, benchmark, arguments) for directory in (Path(made), HERE))
                for measure in (one for one in base if one in this):
                    taken[measure].append((base[measure], this[measure]))
    show(taken)


if __name__ == "__main__":
    main()
