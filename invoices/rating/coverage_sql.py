"""The statements that match usage with the packages that cover it; the rules are in coverage.py."""

from collections.abc import Iterable
from string import Template

from invoices.rating.usage_sql import OF_RECORD, REVERSED, SUMS, SUMS_OF_RECORD, free_usage_sql
from pricing.rules.measures import PARTS_OF, TOKEN_MEASURES, WHOLES, Measure
from sensenova_billing.lib.database.statements import load_statement, load_template

_OTHER_MEASURES = tuple(measure for measure in Measure if measure not in TOKEN_MEASURES)
# A package that takes back what reversed calls drew.
STILL_RUNS = (
    "package.method = 'tokens_package' AND package.ended_at IS NULL "
    "AND package.begins_at <= %(sealed_in)s AND package.expires_at > %(sealed_in)s "
    "AND NOT EXISTS (SELECT FROM invoices_packagedraw AS last WHERE last.package_id = package.id "
    "AND (last.left = 0 OR last.ran_out_at IS NOT NULL))"
)


def demand_sql(used: str) -> str:
    """Return the tokens of a package that the usage in this relation takes, weighted by `weights`."""
    terms = []
    for whole in (one for one in WHOLES if one in TOKEN_MEASURES):
        parts = PARTS_OF.get(whole, ())
        net = " - ".join(f"{used}.{one}" for one in (whole, *parts))
        terms.append(f"({net}) * coalesce(weights.{whole}, 1)")
        terms += [f"{used}.{part} * coalesce(weights.{part}, weights.{whole}, 1)" for part in parts]
    return " + ".join(terms)


def plain_demand_sql(used: str) -> str:
    """Return the same where no package weighs anything; it is much faster."""
    return " + ".join(f"{used}.{one}" for one in WHOLES if one in TOKEN_MEASURES)


def _listed(pattern: str, measures: Iterable[Measure] = Measure) -> str:
    return ", ".join(pattern.format(measure) for measure in measures)


def _any(measures: Iterable[Measure]) -> str:
    return "({})".format(" OR ".join(f"{measure} <> 0" for measure in measures))


_MEASURES = _listed("{}")
_COLUMNS = _listed("{} bigint")
_SEGMENTS = load_statement(
    "segments.sql", beside=__file__, free_usage=free_usage_sql("grouped", instant="instant")
)
WEIGHTS = load_statement(
    "weights.sql",
    beside=__file__,
    weights=_listed("max(weighed.weight) FILTER (WHERE item.measure = '{0}') AS {0}", TOKEN_MEASURES),
)
_RECORDS = load_template("records_of_segments.sql", beside=__file__)


def _covered(split: str) -> str:
    return load_statement(
        "covered_usage.sql",
        beside=__file__,
        segments=_SEGMENTS,
        split=split,
        of_group=_listed("grouped.{}"),
        measures=_MEASURES,
        any_measure=_any(Measure),
        of_divided=_listed("divided.{}"),
        columns=_COLUMNS,
        has_others=_any(_OTHER_MEASURES),
        has_tokens=_any(TOKEN_MEASURES),
        covered=", ".join(
            one
            if one in TOKEN_MEASURES
            else f"CASE WHEN method = 'tokens_package' THEN 0 ELSE {one} END AS {one}"
            for one in Measure
        ),
        not_covered=", ".join(one if one in _OTHER_MEASURES else "0" for one in Measure),
        of_portions=_listed("portions.{}"),
    )


# Common table expressions from `grouped` to `consumed`, where there are packages and where there are none.
COVERED = _covered(
    load_statement(
        "split_groups.sql",
        beside=__file__,
        sums_of_record=SUMS_OF_RECORD,
        records_of_segments=_RECORDS.substitute(joined=""),
    )
)
# The same right after FIND with KEEP_REACHED.
COVERED_AS_REACHED = _covered(
    load_statement(
        "split_reached.sql",
        beside=__file__,
        of_reached=_listed("reached.{}"),
        sums=SUMS,
        measures=_MEASURES,
        what_is_left=_listed("grouped.{0} - coalesce(taken.{0}, 0)"),
    )
)
UNCOVERED = load_statement("uncovered_usage.sql", beside=__file__, measures=_MEASURES)
# Of each statement `$grouped` is left open: how that relation is defined, if it is no table; of FIND also the
# demand, the weights if there are any, and KEEP_REACHED where the calls that were reached are to be stored.
DEMAND = Template(
    load_statement(
        "package_demand.sql",
        beside=__file__,
        grouped="$grouped",
        weights=WEIGHTS,
        quantities=_listed("grouped.{}", TOKEN_MEASURES),
        demand=demand_sql("usable"),
    )
)
FIND = Template(
    load_statement(
        "find_run_outs.sql",
        beside=__file__,
        grouped="$grouped",
        segments=_SEGMENTS,
        weights=WEIGHTS,
        columns=_COLUMNS,
        quantities=OF_RECORD,
        records_of_segments=_RECORDS.substitute(
            joined="JOIN examined ON examined.package = segments.package_id"
        ),
        of_rest=_listed("rest.{}"),
        demand="$demand",
        weighed="$weighed",
        keep="$keep",
        of_first=_listed("first.{}"),
    )
)
WEIGHED = (
    "LEFT JOIN weights ON weights.package_id = reaching.package AND weights.service_id = reaching.service"
)
KEEP_REACHED = load_statement("keep_reached.sql", beside=__file__, measures=_MEASURES, sums=SUMS)
REACHED_USAGE = load_statement("reached_usage.sql", beside=__file__, columns=_listed("{} numeric"))
DIVIDED = Template(
    load_statement(
        "divided_calls.sql", beside=__file__, grouped="$grouped", segments=_SEGMENTS, of_record=OF_RECORD
    )
)
RETURNED = Template(
    load_statement(
        "returned_tokens.sql",
        beside=__file__,
        reversed_usage=REVERSED,
        weights=WEIGHTS,
        demand=demand_sql("reversed"),
        still_runs=STILL_RUNS,
    )
)
