#!/usr/bin/env bash
# lago-agent-sdk 0.3.1 with google-genai 3.6.1: the tokens that a tool of Gemini's own brought into the prompt are in no
# event.
#
# With a search or a page to read, Gemini counts what the tool returned as toolUsePromptTokenCount, beside
# promptTokenCount, and totalTokenCount is the sum of all.
# Expected: 1,500 of input, or 1,000 of input and the 500 under a name of their own.
# Seen on 2026-11-29: 1,000 of input, and the events add up to 1,050 of 1,550 tokens. The field is on the list of those
# that are known, so that it is not reported as an unknown one either.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check google-genai==3.6.1 lago-agent-sdk==0.3.1
"$here/venv/bin/python" - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import http.server
import json
import threading

from google import genai
from lago_agent_sdk import LagoSDK

ANSWER = {
    "candidates": [{"content": {"parts": [{"text": "Hi"}], "role": "model"}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {
        "promptTokenCount": 1000,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 30,
        "toolUsePromptTokenCount": 500,
        "totalTokenCount": 1550,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1000}],
        "toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": 500}],
    },
    "modelVersion": "gemini-2.5-flash",
}
metered = []


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        metered.extend(asked.get("events", ()))
        body = json.dumps({} if "events" in asked else ANSWER).encode()
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
lago = LagoSDK(api_key="key", api_url=f"{url}/api/v1", default_subscription_id="sub_1")
client = lago.wrap(genai.Client(api_key="key", http_options={"base_url": url}))
usage = client.models.generate_content(model="gemini-2.5-flash", contents="What does the page say?").usage_metadata
lago.shutdown()
for event in metered:
    print(event["code"], event["properties"]["value"])
print("metered", sum(int(event["properties"]["value"]) for event in metered), "of", usage.total_token_count)
PYTHON
diff "$here/seen" - <<'SEEN'
llm_input_tokens 1000
llm_output_tokens 20
llm_reasoning_tokens 30
metered 1050 of 1550
SEEN
echo "as described"
