#!/usr/bin/env bash
# langchain-core 1.8.3 with langchain-openai 1.7.4: UsageMetadataCallbackHandler counts nothing of a call that asks for two
# answers, and counts an answer from LangChain's own cache each time it is given.
#
# The handler, and get_usage_metadata_callback(), add up the tokens of calls by model.
# Expected: 2000 and 300 of a call with n=2, for the service counts the call once; and 2000 and 300 of three equal calls
# of which two are answered from the cache without a request.
# Seen on 2026-11-30: no entry at all for n=2, although both messages have the usage of the call; and 6000 and 900 of one
# request, with a total_cost of 0 among the counts.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check langchain-core==1.8.3 langchain-openai==1.7.4 openai==3.57.0
"$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import http.server
import json
import threading

from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_openai import ChatOpenAI

requests = []


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        requests.append(asked)
        message = {"role": "assistant", "content": "Hi"}
        answer = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1795900000,
            "model": "gpt-5",
            "choices": [
                {"index": index, "finish_reason": "stop", "message": message} for index in range(asked.get("n") or 1)
            ],
            "usage": {"prompt_tokens": 2000, "completion_tokens": 300, "total_tokens": 2300},
        }
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
for name, calls, options in (
    ("one answer", 1, {}),
    ("two answers", 1, {"n": 2}),
    ("three times, cached", 3, {"cache": InMemoryCache()}),
):
    requests.clear()
    counting = UsageMetadataCallbackHandler()
    chat = ChatOpenAI(model="gpt-5", api_key="key", base_url=url, **options)
    for _ in range(calls):
        chat.invoke("Hello", config={"callbacks": [counting]})
    print(f"{name}: requests {len(requests)}, counted", end=" ")
    for usage in counting.usage_metadata.values():
        print(usage["input_tokens"], usage["output_tokens"], {key: usage[key] for key in usage if "cost" in key}, end="")
    print()
PYTHON
sed -i 's/ *$//' "$here/seen"
diff "$here/seen" - <<'SEEN'
one answer: requests 1, counted 2000 300 {}
two answers: requests 1, counted
three times, cached: requests 1, counted 6000 900 {'total_cost': 0}
SEEN
echo "as described"
