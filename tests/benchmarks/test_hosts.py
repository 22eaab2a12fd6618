"""Three web hosts on one database: what is changed for one is obeyed by all, soon (docs/scaling.md)."""

from contextlib import ExitStack
from pathlib import Path

from benchmarks.hosts import HOSTS, measure
from benchmarks.server import web
from tests.sensenova_billing.processes import server_on_copy

BEFORE = "200 1000000 RPM"
# The change, the request, the answers before and after, and within how many seconds of the commit.
PROMISED = [
    ("revoked", "/api/v1/usage", "200", "401 authentication_failed", 0),
    ("revoked", "/api/v1/calls", BEFORE, "401 authentication_failed", 1),
    ("limited", "/api/v1/calls", BEFORE, "200 500000 RPM", 2),
    ("priced", "/api/v1/estimates", "200 0.04", "200 0.01", 0),
    ("suspended", "/api/v1/calls", BEFORE, "403 customer_suspended", 2),
    ("suspended", "/api/v1/usage", "200", "200", None),  # what was used is owed
    ("capped", "/api/v1/calls", BEFORE, "403 budget_exhausted", 2),
]


def test_three_hosts_obey_each_change_within_the_time_of_the_docs(prepared: Path) -> None:
    with server_on_copy(prepared) as url, ExitStack() as stack:
        ports = [stack.enter_context(web(url, workers=1))[0] for _ in range(HOSTS)]
        obeyed = measure(url, ports)

    answers = [(one.change, one.request, one.before, one.after) for one in obeyed]
    assert answers == [(*named, {before}, {after}) for *named, before, after, _ in PROMISED]
    for one, (*_, within) in zip(obeyed, PROMISED, strict=True):
        assert within is None or max(one.seconds) <= within, one
