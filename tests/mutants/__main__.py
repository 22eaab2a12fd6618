"""`make mutants`: put single small faults into the money paths, and see whether a test fails."""

import argparse
import os
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from sensenova_billing.dev_server.postgres import stop_in_order_on_signals, throwaway_server
from tests.mutants.catalogue import mutants_in
from tests.mutants.databases import keep_as_template, read_no_statistics, template_of
from tests.mutants.functions import bodies_in_force
from tests.mutants.mutant import Mutant
from tests.mutants.results import Results
from tests.mutants.running import ROOT, Outcome, Result, TestsBroken, Workplace
from tests.mutants.survivors import harmless

PAGE = ROOT / "docs" / "mutants.md"
SAMPLE = Path(__file__).with_name("sample.txt")
LEAST_SHARE = 95


def main() -> int:
    """Run the mutants and return the exit status: 0 only if enough are killed and none is stale."""
    options = _options()
    stop_in_order_on_signals()
    directory = Path(tempfile.mkdtemp(prefix="mutants-"))
    try:
        with throwaway_server(fsync=False) as server:
            return _run(options, server, directory)
    except TestsBroken as broken:
        _say(f"The tests cannot be run:\n{broken}")
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants ARGS=...", description=__doc__)
    parser.add_argument(
        "words", nargs="*", help="only mutants with one of these in their names, such as a file"
    )
    parser.add_argument("--every", type=int, help="not the sample, but each n-th that there is")
    parser.add_argument("--first", type=int, default=0, help="...beginning with this one (default: 0)")
    parser.add_argument("--list", action="store_true", help="print the names and run nothing")
    parser.add_argument("--anew", action="store_true", help="forget earlier results")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--results", type=Path, default=ROOT / "var" / "mutants.jsonl", help="where results are kept"
    )
    return parser.parse_args()


def _run(options: argparse.Namespace, server: str, directory: Path) -> int:
    places = [
        Workplace(tree=directory / f"tree-{number}", server=server, name=f"mutant_{number}")
        for number in range(options.workers)
    ]
    read_no_statistics(server)
    keep_as_template(server, places[0].migrate())
    mutants, stale = mutants_in(ROOT, in_force=bodies_in_force(template_of(server)))
    reasons = harmless(PAGE)
    stale += sorted(f"docs/mutants.md: {name}" for name in set(reasons) - {mutant.name for mutant in mutants})
    if options.every:
        mutants = mutants[options.first :: options.every]
    else:
        sample = set(SAMPLE.read_text(encoding="utf-8").splitlines())
        stale += sorted(f"{SAMPLE.name}: {name}" for name in sample - {mutant.name for mutant in mutants})
        mutants = [mutant for mutant in mutants if mutant.is_chosen or mutant.name in sample]
    if options.words:
        mutants = [mutant for mutant in mutants if any(word in mutant.name for word in options.words)]
    if options.list:
        _say("\n".join([*(mutant.name for mutant in mutants), *(f"STALE  {line}" for line in stale)]))
        return 1 if stale else 0
    results = Results(mutants, file=options.results, anew=options.anew)
    results.complete(places)
    stale += _table(mutants, results.by_name, reasons)
    for line in stale:
        _say(f"STALE  {line}")
    for test in sorted(results.broken):
        _say(f"BROKEN  fails without a fault, so it was left out: {test}")
    return 1 if stale or results.broken or not _is_enough(mutants, results.by_name, reasons) else 0


def _table(mutants: Sequence[Mutant], results: dict[str, Result], reasons: dict[str, str]) -> list[str]:
    """Print the survivors, and for each file how many mutants were seen; return what is harmless but seen."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    contradicted = []
    for mutant in mutants:
        outcome = results[mutant.name].outcome
        is_harmless = outcome is Outcome.SURVIVED and mutant.name in reasons
        counts[mutant.path]["harmless" if is_harmless else outcome] += 1
        if outcome is Outcome.SURVIVED and not is_harmless:
            _say(f"SURVIVED  {mutant.name}")
        if outcome is Outcome.KILLED and mutant.name in reasons:
            contradicted.append(f"docs/mutants.md: is seen by {results[mutant.name].test}: {mutant.name}")
    _say(f"\n{'file':<52} mutants  killed  survived  harmless  share")
    for path, count in counts.items():
        _say(_row(path, count))
    _say(_row("all", sum(counts.values(), Counter())))
    return contradicted


def _row(path: str, count: Counter[str]) -> str:
    killed = count[Outcome.KILLED] + count[Outcome.TIMED_OUT]
    survived, no_matter = count[Outcome.SURVIVED], count["harmless"]
    share = f"{100 * killed / (killed + survived):.1f} %" if killed + survived else ""
    return (
        f"{path:<52} {killed + survived + no_matter:>7} {killed:>7} {survived:>9} {no_matter:>9} {share:>7}"
    )


def _is_enough(mutants: Sequence[Mutant], results: dict[str, Result], reasons: dict[str, str]) -> bool:
    outcomes = Counter(results[mutant.name].outcome for mutant in mutants if mutant.name not in reasons)
    killed = outcomes[Outcome.KILLED] + outcomes[Outcome.TIMED_OUT]
    return 100 * killed >= LEAST_SHARE * (killed + outcomes[Outcome.SURVIVED])


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
