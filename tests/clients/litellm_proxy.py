"""LiteLLM's own proxy as a process, with what lies in examples/litellm, before a running server of ours.

`make test-clients` installs it, in an environment of its own. Nothing leaves this machine: its models answer
by themselves, or are those of backend.py.
"""

import datetime as dt
import os
import secrets
import shutil
import socket
import subprocess
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from accounts.models import Customer
from pricing.models import CallSpecification, Service
from usage.models import UsageRecord

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "litellm"
LITELLM = ROOT / ".venv" / "gateway" / "bin" / "litellm"
MASTER_KEY = f"sk-{secrets.token_hex(32)}"
SECONDS_TO_START = 120
# For the modules that need the proxy.
NEEDS_PROXY = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not LITELLM.exists(), reason="the proxy is not installed: make test-clients"),
]
# What no example should have: a model that fails, and a caller's fallback from it.
BROKEN = "SenseChat-32K"
# The services whose models are those of backend.py, by whose form of request and answer they have.
OPENAI, ANTHROPIC, GOOGLE = "SenseChat", "SenseChat-Turbo", "SenseChat-128K"
EMBEDDING, SPEECH, TRANSCRIPTION, IMAGE, RERANK = (
    "embedding",
    "nova-tts-1",
    "transcription",
    "image",
    "rerank",
)
MODELS = f"""model_list:
  - model_name: {BROKEN}
    litellm_params: {{model: openai/broken, api_key: none, api_base: BACKEND/broken/v1, max_retries: 0}}
  - model_name: {OPENAI}
    litellm_params: {{model: openai/{OPENAI}, api_key: none, api_base: BACKEND/v1}}
  - model_name: {ANTHROPIC}
    litellm_params: {{model: anthropic/claude-opus-4-5, api_key: none, api_base: BACKEND}}
  - model_name: {GOOGLE}
    litellm_params: {{model: gemini/gemini-2.5-pro, api_key: none, api_base: BACKEND/v1beta}}
  - model_name: {EMBEDDING}
    litellm_params: {{model: openai/embedding, api_key: none, api_base: BACKEND/v1}}
  - model_name: {SPEECH}
    litellm_params: {{model: openai/tts, api_key: none, api_base: BACKEND/v1}}
  - model_name: {TRANSCRIPTION}
    litellm_params: {{model: openai/whisper-1, api_key: none, api_base: BACKEND/v1}}
  - model_name: {IMAGE}
    litellm_params: {{model: openai/dall-e-3, api_key: none, api_base: BACKEND/v1}}
  - model_name: {RERANK}
    litellm_params: {{model: cohere/rerank-v3, api_key: none, api_base: BACKEND/v1/rerank}}
"""
# For calls that ask for it.
CACHE = """litellm_settings:
  cache: true
  cache_params: {type: local, mode: default_off}
"""
# Keys that name a customer, which LiteLLM would keep in a database of its own; and two kinds of call that a
# LiteLLM of tomorrow may have: one that asks its hooks, and one that does not.
KEY_OF = "sk-of-"
ADDED = f"""
import litellm
from fastapi import Depends, HTTPException, Request
from litellm.proxy._types import UserAPIKeyAuth
from litellm.proxy.auth.user_api_key_auth import user_api_key_auth
from litellm.proxy.proxy_server import app, proxy_logging_obj

async def recognise(request, api_key):
    if not api_key:
        raise HTTPException(401)
    whose = api_key.partition("{KEY_OF}")[2]
    return UserAPIKeyAuth(api_key=api_key, metadata={{"billing_customer": whose}} if whose else {{}})

@app.post("/v1/inventions")
async def invent(request: Request, key: UserAPIKeyAuth = Depends(user_api_key_auth)):
    return await proxy_logging_obj.pre_call_hook(key, await request.json(), call_type="ainvention")

@app.post("/v1/forgotten")
async def forget(request: Request):
    messages = [{{"role": "user", "content": "a"}}]
    return await litellm.acompletion("openai/forgotten", messages, mock_response="b")
"""


def until(what, seconds=40):
    """Wait until this is true, and return it: the proxy reports after it has answered.

    No longer than some 40 seconds, for in 60 a window would be empty by itself.
    """
    ends = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < ends, "it did not come true"
        time.sleep(0.1)
    return found


def bearer(key):
    """The header that shows a key to LiteLLM."""
    return {"Authorization": f"Bearer {key}"}


class Road(ThreadingHTTPServer):
    """Between the proxy and our server: it passes everything on, unless a path is closed."""

    daemon_threads = True

    def __init__(self, url):
        super().__init__(("127.0.0.1", 0), _Passing)
        self.button_to = url
        self.closed = set()
        self.turned_away = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Passing(BaseHTTPRequestHandler):
    server: Road

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path in self.server.closed:
            self.server.turned_away += 1
            return  # the connection ends without an answer
        said = {name: self.headers[name] for name in ("Authorization", "Content-Type")}
        url = f"{self.server.button_to}{self.path}"
        answer = httpx.request(self.command, url, content=body, headers=said, timeout=60, trust_env=False)
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_POST = do_DELETE = pass_on

    def log_message(self, *_):
        pass


class Proxy:
    """LiteLLM's proxy as a process, started as docs/gateway.md says."""

    def __init__(self, *, url, key, folder, models):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.customer = ""
        self.config = folder / "config.yaml"
        example = (EXAMPLE / "config.yaml").read_text()
        example = example.replace("model_list:\n", MODELS.replace("BACKEND", models), 1)
        example = example.replace("litellm_settings:\n", CACHE, 1)
        self.config.write_text(example + "  custom_auth: added.recognise\n")
        (folder / "added.py").write_text(ADDED)
        for path in EXAMPLE.glob("*.py"):
            shutil.copy(path, folder)
        self.folder = folder / "usage"
        self.log = folder / "proxy.log"
        self.environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | {
            "SENSENOVA_BILLING_URL": url,
            "SENSENOVA_SERVICE_KEY": key,
            "SENSENOVA_USAGE_FOLDER": str(self.folder),
            "SENSENOVA_ADMISSION_SECONDS": "30",  # a machine that runs tests may be busy
            "LITELLM_MASTER_KEY": MASTER_KEY,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # it would fetch its list of prices otherwise
            "NO_PROXY": "127.0.0.1",
        }

    def start(self, **environment):
        options = {"--config": self.config, "--host": "127.0.0.1", "--port": str(self.port)}
        command = [LITELLM, *(word for option in options.items() for word in option)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self.environment | environment, cwd=self.log.parent, stdout=log, stderr=log
            )
        until(self.is_ready, SECONDS_TO_START)

    def is_ready(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.get("/health/readiness").is_success
        except httpx.TransportError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def get(self, path):
        return self.request("GET", path, timeout=10)

    def post(self, path="/v1/chat/completions", headers=None, **body):
        """Call a model for the customer of this test, unless the body names another `user`."""
        return self.request("POST", path, headers=headers, json={"user": self.customer} | body)

    def request(self, method, path, headers=None, timeout=60, **body):
        url = f"http://127.0.0.1:{self.port}{path}"
        headers = bearer(MASTER_KEY) | (headers or {})
        return httpx.request(method, url, headers=headers, timeout=timeout, trust_env=False, **body)

    def stream(self, path, **body):
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx.stream("POST", url, headers=bearer(MASTER_KEY), json=body, timeout=60, trust_env=False)

    def counted(self, metric, value):
        """What the hook has counted under this value of the metric's label."""
        lines = self.get("/sensenova-billing/metrics").text.splitlines()
        (name,) = (line.split()[2] for line in lines if line.startswith("# TYPE") and metric in line)
        return sum(int(line.split()[-1]) for line in lines if line.startswith(name) and f'"{value}"' in line)


def limit(rpm, tpm=None, *, service="SenseChat-5"):
    """Let the customer of this test have these limits of its own."""
    CallSpecification.objects.create(
        service=Service.objects.get(name=service),
        customer=Customer.objects.get(),
        rpm=rpm,
        tpm=tpm,
        begins_at=dt.datetime.now(dt.UTC) - dt.timedelta(days=1),
    )


def stored_tokens():
    """What is stored, as service and tokens."""
    return sorted(
        (found.service.name, found.input_tokens, found.output_tokens)
        for found in UsageRecord.objects.select_related("service")
    )
