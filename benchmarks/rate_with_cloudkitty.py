"""Rate a trace with CloudKitty, and store what it rated in its SQL storage.

benchmarks/peers.py runs it in an environment of its own: CloudKitty's modules are not among ours. Arguments:
SQLAlchemy's address of an empty database, the trace, and the costs of a token of input and of output.
"""

import csv
import datetime as dt
import json
import sys
import time
from decimal import Decimal

from cloudkitty import config, db, storage  # noqa: F401  # `config` registers the options
from cloudkitty.dataframe import DataFrame, DataPoint
from cloudkitty.db.sqlalchemy import models
from cloudkitty.rating.hash import HashMap
from cloudkitty.rating.hash.db import api
from cloudkitty.rating.hash.db.sqlalchemy import models as hashmap_models
from cloudkitty.storage.v1.sqlalchemy import models as storage_models
from oslo_config import cfg

SCOPE = "acme"
HOUR = dt.timedelta(hours=1)


def prepare(url: str, costs: dict[str, Decimal]) -> None:
    """Configure CloudKitty, make its tables, and set the rules: a cost for each token."""
    cfg.CONF([], project="cloudkitty", default_config_files=[])
    cfg.CONF.set_override("connection", url, "database")
    # Its other storages are servers of their own.
    cfg.CONF.set_override("backend", "sqlalchemy", "storage")
    cfg.CONF.set_override("version", 1, "storage")
    with db.session_for_write() as session:
        for tables in (models, hashmap_models, storage_models):
            tables.Base.metadata.create_all(session.get_bind())
    rules = api.get_instance()
    for name, cost in costs.items():
        service = rules.create_service(name).service_id
        rules.create_mapping(
            cost=cost,
            map_type="flat",
            service_id=service,
            name=name,
            created_by="benchmark",
            start=dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
        )


def read(file: str) -> list[DataFrame]:
    """Return a frame for each hour, with a point for the input and one for the output of each call."""
    frames: dict[dt.datetime, DataFrame] = {}
    with open(file, newline="") as trace:
        for call in csv.DictReader(trace):
            hour = dt.datetime.fromisoformat(f"{call['TIMESTAMP'][:13]}:00+00:00")
            frame = frames.setdefault(hour, DataFrame(start=hour, end=hour + HOUR))
            for name, tokens in (("input", call["ContextTokens"]), ("output", call["GeneratedTokens"])):
                frame.add_point(DataPoint("token", tokens, 0, {"project_id": SCOPE}, {}), name)
    return list(frames.values())


def main() -> None:
    """Rate, store, and print how long each took and the sums, as JSON."""
    url, file, input_cost, output_cost = sys.argv[1:]
    prepare(url, {"input": Decimal(input_cost), "output": Decimal(output_cost)})
    frames = read(file)
    began = time.perf_counter()
    rating = HashMap(SCOPE)
    rated = [rating.process(frame) for frame in frames]
    rated_at = time.perf_counter()
    sum_rated = sum(point.price for frame in rated for _, point in frame.iterpoints())
    begin, end = min(frame.start for frame in rated), max(frame.end for frame in rated)
    store = storage.get_storage()
    storing = time.perf_counter()
    for frame in rated:
        store.push([frame], SCOPE)
    stored_at = time.perf_counter()
    (stored,) = store.total(begin=begin, end=end)["results"]
    facts = {"rating": rated_at - began, "storing": stored_at - storing}
    json.dump(facts | {"rated": str(sum_rated), "stored": repr(stored["rate"])}, sys.stdout)


if __name__ == "__main__":
    main()
