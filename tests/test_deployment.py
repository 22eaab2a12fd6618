"""What is in deploy/, compose.yaml and the Dockerfile is what programs that read such files take."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/bin")
PROXY = {"LISTEN": "127.0.0.1:8000", "UPSTREAM": "127.0.0.1:8001", "PROXIES_IN_FRONT": "192.0.2.0/32"}
GRANIAN = "--workers 2 --blocking-threads 160 --backlog 1024 --backpressure 512"


def services():
    return yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed (systemd)")
def test_systemd_takes_each_unit(tmp_path):
    programs = str(Path(sys.executable).parent)
    for unit in UNITS:
        text = unit.read_text().replace("/opt/sensenova-billing/.venv/bin", programs)
        (tmp_path / unit.name).write_text(text)

    copies = [str(tmp_path / unit.name) for unit in UNITS]
    done = subprocess.run(["systemd-analyze", "verify", *copies], check=False, capture_output=True, text=True)

    assert (len(UNITS), done.returncode, done.stderr) == (3, 0, "")


def test_worker_and_clock_have_the_time_limits_of_closing_and_nothing_runs_as_root():
    works = {unit.stem: re.findall(r"SENSENOVA_WORK=(\w+)", unit.read_text()) for unit in UNITS}

    prefix = "sensenova-billing-"
    assert works == {f"{prefix}beat": ["closing"], f"{prefix}web": ["page"], f"{prefix}worker": ["closing"]}
    assert all("\nUser=billing\n" in unit.read_text() for unit in UNITS)
    assert "\nUSER 10001\n" in (ROOT / "Dockerfile").read_text()


def test_compose_runs_two_web_servers_and_two_workers_with_a_health_check_for_each_server():
    found = services()
    ours = {name for name, one in found.items() if one.get("image") == "sensenova-billing"}

    assert ours == {"migrate", "web-1", "web-2", "worker", "beat"}
    assert (found["worker"]["deploy"], found["beat"].get("deploy")) == ({"replicas": 2}, None)
    assert {name for name in found if "test" in found[name].get("healthcheck", {})} == {
        "postgres",
        "rabbitmq",
        "redis",
    }
    assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()  # of web-1 and web-2; others disable it
    assert all(found[name]["healthcheck"] == {"disable": True} for name in ours - {"web-1", "web-2"})


def test_compose_sets_what_the_environment_knows():
    known = {*re.findall(r"^#(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE), "SENSENOVA_WORK"}

    for name, one in services().items():
        if one.get("image") == "sensenova-billing":
            assert one["environment"].keys() <= known, name


def test_the_web_server_has_the_same_threads_everywhere():
    dockerfile = (ROOT / "Dockerfile").read_text().replace('", "', " ")

    assert GRANIAN in dockerfile
    assert GRANIAN in (ROOT / "deploy" / "systemd" / "sensenova-billing-web.service").read_text()


@pytest.mark.skipif(HAPROXY is None, reason="HAProxy is not installed (apt-get install haproxy)")
@pytest.mark.parametrize("second", [{}, {"UPSTREAM_2": "127.0.0.1:8002"}], ids=["one", "two"])
def test_haproxy_takes_its_configuration_for_one_web_server_and_for_two(second):
    command = [str(HAPROXY), "-c", "-f", str(ROOT / "deploy" / "haproxy.cfg")]
    environment = {**os.environ, **PROXY, **second}

    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)

    assert (done.returncode, "WARNING" in done.stderr) == (0, False), done.stderr
