#!/usr/bin/env bash
# litellm 1.106.2: with message logging turned off, what a reranking or a transcription is billed by is gone as well.
#
# litellm.turn_off_message_logging keeps texts out of logs. A reranking is billed by meta.billed_units.search_units, a
# transcription by its duration in seconds.
# Expected: documents and texts are redacted, and the counts stay, as the tokens of a chat do.
# Seen on 2026-11-29: in the payload of the success event the whole response of both is one placeholder, and no other
# field of the payload has the counts, so that whoever bills by that payload cannot know them.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check litellm==1.106.2
LITELLM_LOCAL_MODEL_COST_MAP=True "$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import asyncio
import http.server
import io
import json
import logging
import threading

import litellm
from litellm.integrations.custom_logger import CustomLogger

logging.disable(logging.CRITICAL)
ANSWERS = {
    "rerank": {
        "id": "r-1",
        "results": [{"index": 0, "relevance_score": 0.5}],
        "meta": {"billed_units": {"search_units": 7}},
    },
    "transcriptions": {"text": "Hello", "duration": 12.5},
}


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(ANSWERS[self.path.rsplit("/", 1)[-1]]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class Keeping(CustomLogger):
    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        payloads.append(kwargs["standard_logging_object"])


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://127.0.0.1:{server.server_port}"
payloads = []
litellm.callbacks = [Keeping()]


async def show(name, word, call):
    for off in (False, True):
        payloads.clear()
        litellm.turn_off_message_logging = off
        await call()
        for _ in range(100):
            if payloads:
                break
            await asyncio.sleep(0.1)
        there = word in json.dumps(payloads[0]["response"], default=str)
        print(f"{name:14} {'redacted' if off else 'open':9} {'has its count' if there else payloads[0]['response']}")


def rerank():
    return litellm.arerank(
        model="cohere/m", api_key="key", api_base=f"{base}/v2/rerank", query="q", documents=["d"]
    )


def transcribe():
    file = io.BytesIO(b"RIFF")
    file.name = "a.wav"
    return litellm.atranscription(
        model="openai/m", api_key="key", api_base=f"{base}/v1", file=file, response_format="verbose_json"
    )


async def main():
    await show("reranking", "search_units", rerank)
    await show("transcription", "12.5", transcribe)


asyncio.run(main())
PYTHON
diff "$here/seen" - <<'SEEN'
reranking      open      has its count
reranking      redacted  {'text': 'redacted-by-litellm'}
transcription  open      has its count
transcription  redacted  {'text': 'redacted-by-litellm'}
SEEN
echo "as described"
