#!/usr/bin/env bash
# agno 3.1.10: the total tokens of a run are all tokens with OpenAI, those outside the cache with Claude, and those without
# thinking with Gemini.
#
# Each of the three services says the same of one call: 2512 of input, of which 1024 are from the cache, and 300 of output,
# of which OpenAI and Gemini name 200 as thinking. All are billed.
# Expected: input_tokens 2512, output_tokens 300 and total_tokens 2812 three times: the metrics have one name for each.
# Seen on 2026-11-30: Claude's input lacks the cached tokens, Gemini's output lacks the thinking, and both totals lack them
# too, although Gemini's answer has the total; so that totals of several models cannot be added up or priced by one rule.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check agno==3.1.10 openai==3.57.0 anthropic==2.14.0 google-genai==3.6.1
cd "$here"
HOME="$here" "$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import http.server
import json
import threading

import anthropic
from agno.agent import Agent
from agno.models.anthropic import Claude
from agno.models.google import Gemini
from agno.models.openai import OpenAIChat
from google import genai

ANSWERS = {
    "chat/completions": {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1795900000,
        "model": "gpt-5",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}],
        "usage": {
            "prompt_tokens": 2512,
            "prompt_tokens_details": {"cached_tokens": 1024},
            "completion_tokens": 300,
            "completion_tokens_details": {"reasoning_tokens": 200},
            "total_tokens": 2812,
        },
    },
    "messages": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1488, "cache_read_input_tokens": 1024, "output_tokens": 300},
    },
    ":generateContent": {
        "candidates": [{"content": {"parts": [{"text": "Hi"}], "role": "model"}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {
            "promptTokenCount": 2512,
            "cachedContentTokenCount": 1024,
            "candidatesTokenCount": 100,
            "thoughtsTokenCount": 200,
            "totalTokenCount": 2812,
        },
        "modelVersion": "gemini-2.5-flash",
    },
}


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        (answer,) = (answer for end, answer in ANSWERS.items() if self.path.split("?")[0].endswith(end))
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
for name, model in (
    ("OpenAI", OpenAIChat(id="gpt-5", api_key="key", base_url=url)),
    ("Claude", Claude(id="claude-sonnet-4-5", client=anthropic.Anthropic(api_key="key", base_url=url))),
    ("Gemini", Gemini(id="gemini-2.5-flash", client=genai.Client(api_key="key", http_options={"base_url": url}))),
):
    metrics = Agent(model=model, telemetry=False).run("Hello").metrics
    beside = f"cached {metrics.cache_read_tokens} thinking {metrics.reasoning_tokens}"
    print(name, metrics.input_tokens, metrics.output_tokens, metrics.total_tokens, beside)
PYTHON
diff "$here/seen" - <<'SEEN'
OpenAI 2512 300 2812 cached 1024 thinking 200
Claude 1488 300 1788 cached 1024 thinking 0
Gemini 2512 100 2612 cached 1024 thinking 200
SEEN
echo "as described"
