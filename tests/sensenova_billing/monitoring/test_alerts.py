"""The rules for Prometheus and the dashboard name what there is; for each alarm there is something to do."""

import json
import re
import shutil
import subprocess

import pytest
import yaml
from django.conf import settings

from sensenova_billing.monitoring.metrics import HELP, PREFIX
from tests.tables import DOCS, code, table

DEPLOY = settings.BASE_DIR / "deploy"
RULES = DEPLOY / "prometheus-alerts.yml"
# Too much or too little of these is nothing to act on.
INFORMATION = ["batch_records"]
DASHBOARD = DEPLOY / "grafana-dashboard.json"


def alerts():
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return group["rules"]


def dashboard_expressions():
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def metrics_in(expressions):
    found = re.findall(rf"{PREFIX}_(\w+)", " ".join(expressions))
    return {re.sub("_(bucket|sum|count)$", "", name) for name in found}


@pytest.mark.django_db
def test_each_metric_of_rules_and_dashboard_is_in_the_answer(client):
    answer = client.get("/metrics").content.decode()
    help_lines = {
        name.removeprefix(f"{PREFIX}_") for name in re.findall(r"^# HELP (\w+)", answer, re.MULTILINE)
    }

    shown = metrics_in(dashboard_expressions())

    assert metrics_in(rule["expr"] for rule in alerts()) <= help_lines
    assert shown == help_lines == set(HELP)


def test_each_alarm_and_each_alert_has_a_paragraph_on_what_to_do():
    sections = dict(
        re.findall(r"^## (.+)\n\n(.+)", (DOCS / "alarms.md").read_text(encoding="utf-8"), re.MULTILINE)
    )

    alarms = {code(name) for name, _ in table("operations.md", "alarm", "raised when")}

    assert {name.strip("`") for name in sections} == alarms | {rule["alert"] for rule in alerts()}
    assert all(len(paragraph) > 80 for paragraph in sections.values())


def test_each_metric_has_an_alarm_or_an_alert_that_is_raised_by_it():
    alarms = {code(row[0]) for row in table("operations.md", "alarm", "raised when")}
    rules = {rule["alert"]: metrics_in([rule["expr"]]) for rule in alerts()}
    rows = table("operations.md", "metric", "says", "alarm or alert")
    raised_by = {
        code(metric).partition("{")[0].removeprefix(f"{PREFIX}_"): name.strip("`") for metric, _, name in rows
    }

    watching = {metric: name for metric, name in raised_by.items() if name not in alarms}

    assert raised_by.keys() == set(HELP)
    assert [metric for metric, name in watching.items() if metric not in rules.get(name, ())] == INFORMATION


def test_promtool_takes_the_rules_and_the_expressions_of_the_dashboard(tmp_path):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian's package prometheus has it)")
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m")}
        for number, expression in enumerate(dashboard_expressions())
    ]
    (tmp_path / "dashboard.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]})
    )

    checked = subprocess.run(
        [promtool, "check", "rules", RULES, tmp_path / "dashboard.yml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(rules)} rules found" in checked.stdout
