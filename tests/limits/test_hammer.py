"""Several web processes, many callers, one customer and service: never too many calls, and not too few.

`make hammer` does the same for minutes, so that windows slide.
"""

import shutil
from dataclasses import replace
from fractions import Fraction

import pytest

from sensenova_billing.dev_server.data_directory import make_temporary
from tests.limits.hammer import BROKEN, POSTGRESQL, RUNS, SOUND, STORES, hammer, served
from tests.sensenova_billing.processes import server_on_copy

pytestmark = pytest.mark.long

SMALL = {name: run.smaller() for name, run in RUNS.items()}
# As few as can count apart.
WEB_WORKERS = 2
# Until the limits are reached, which is soon; on the slowest machine less than a window.
SECONDS_AT_MOST = 50
# They go on, to see what becomes of the limits.
SECONDS_OF_IMPATIENCE = 4
IMPATIENT = replace(SMALL["impatient"], refusals=None)
# What is broken from the beginning is found out by those who go once they are refused, too.
CALLING = {"own-counting": SMALL["impatient"], "doubled": IMPATIENT}


@pytest.fixture(scope="module")
def database(prepared):
    """A database of its own, which web processes may fill."""
    with server_on_copy(prepared) as url:
        yield url


@pytest.fixture(scope="module")
def sound(database):
    """What is sound, and what becomes unsound in the database alone: each run has customers of its own."""
    with served(database, redis_url="", workers=WEB_WORKERS) as target:
        yield target


@pytest.fixture
def directory():
    made = make_temporary()
    yield made
    shutil.rmtree(made)


@pytest.fixture
def verdicts(database, directory, request):
    """What is found of a build with one of the stores."""

    def find(store, runs, seconds, build=SOUND):
        if store == POSTGRESQL and build.application == SOUND.application:
            target = replace(request.getfixturevalue("sound"), doubles_after=build.doubles_after)
            return hammer(target, runs, seconds=seconds, directory=directory)
        redis_url = "" if store == POSTGRESQL else request.getfixturevalue("redis_url")
        with served(database, redis_url=redis_url, build=build, workers=WEB_WORKERS) as target:
            return hammer(target, runs, seconds=seconds, directory=directory)

    return find


@pytest.mark.parametrize("store", STORES)
def test_however_many_call_at_once_no_more_are_admitted_than_the_limits_allow(store, verdicts):
    found = verdicts(store, SMALL, SECONDS_AT_MOST)
    assert found
    for name, verdict in found.items():
        assert verdict.faults() == {}, (name, verdict)
        assert verdict.used() > Fraction(95, 100), (name, verdict)
        assert verdict.refused > 0


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_build_is_found_out(name, verdicts):
    runs = {"impatient": CALLING[name]}
    (verdict,) = verdicts(POSTGRESQL, runs, SECONDS_OF_IMPATIENCE, BROKEN[name]).values()

    assert verdict.by_callers.exceeded, verdict
