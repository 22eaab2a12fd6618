#!/usr/bin/env bash
# langchain-cohere 0.6.0 with cohere 5.21.1: the tokens of an answer are those that the model read, those of the same answer
# as a stream those that are billed.
#
# Cohere says both: usage.tokens, with what its templates add, and usage.billed_units, by which it charges.
# Expected: the same count of both, in usage_metadata.
# Seen on 2026-11-30: 71 tokens of input in the usage_metadata of invoke(), which are 5 on the bill; the stream has no
# usage_metadata, so that no callback counts it, and 5 under another name, token_count, as floats.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check langchain-cohere==0.6.0 langchain-core==1.8.3 cohere==5.21.1
"$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import http.server
import json
import threading

from langchain_cohere import ChatCohere

USAGE = {
    "billed_units": {"input_tokens": 5, "output_tokens": 418},
    "tokens": {"input_tokens": 71, "output_tokens": 418},
}


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = {"type": "text", "text": "Hi"}
        message = {"role": "assistant", "content": [text]}
        answer = {"id": "1", "finish_reason": "COMPLETE", "message": message, "usage": USAGE}
        events = [
            {"type": "message-start", "id": "1", "delta": {"message": message | {"content": []}}},
            {"type": "content-start", "index": 0, "delta": {"message": {"content": text | {"text": ""}}}},
            {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Hi"}}}},
            {"type": "content-end", "index": 0},
            {"type": "message-end", "id": "1", "delta": {"finish_reason": "COMPLETE", "usage": USAGE}},
        ]
        streamed = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
        body = (streamed if asked.get("stream") else json.dumps(answer)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if asked.get("stream") else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
chat = ChatCohere(model="command-a-03-2025", cohere_api_key="key", base_url=url)
whole = chat.invoke("Hello")
first, *rest = chat.stream("Hello")
streamed = sum(rest, first)
for name, message in (("whole", whole), ("streamed", streamed)):
    usage, counts = message.usage_metadata, message.response_metadata["token_count"]
    print(name, usage and (usage["input_tokens"], usage["output_tokens"]), counts["input_tokens"], counts["output_tokens"])
PYTHON
diff "$here/seen" - <<'SEEN'
whole (71, 418) 71.0 418.0
streamed None 5.0 418.0
SEEN
echo "as described"
