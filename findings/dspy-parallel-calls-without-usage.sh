#!/usr/bin/env bash
# dspy 3.4.1: of calls that a module runs in parallel, no tokens are counted.
#
# With track_usage each prediction has the tokens of the calls behind it, summed over the module. Module.batch() and
# dspy.Parallel run predictors in threads.
# Expected: three calls of 2000 and 300 tokens are 6000 and 900, one after another or in parallel.
# Seen on 2026-11-30: in parallel the module's prediction has none, nor has any of the three, and dspy.track_usage()
# around them adds up to nothing; three requests were made. Only a batch outside of any module has the usage of each.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check dspy==3.4.1
cd "$here"
HOME="$here" "$here/venv/bin/python" -W ignore - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import http.server
import json
import threading

import dspy

requests = []


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        requests.append(self.rfile.read(int(self.headers["Content-Length"])))
        text = "[[ ## answer ## ]]\nHi\n\n[[ ## completed ## ]]"
        answer = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1795900000,
            "model": "gpt-5",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
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
url = f"http://127.0.0.1:{server.server_port}/v1"
dspy.configure(lm=dspy.LM("openai/gpt-4o-mini", api_key="key", api_base=url, cache=False), track_usage=True)
answering = dspy.Predict("question -> answer")
questions = [dspy.Example(question=str(number)).with_inputs("question") for number in range(3)]
options = {"num_threads": 2, "disable_progress_bar": True}


def one_by_one():
    return [answering(**question.inputs()) for question in questions]


def batch():
    return answering.batch(questions, **options)


def parallel():
    return dspy.Parallel(**options)([(answering, question) for question in questions])


class Module(dspy.Module):
    def __init__(self, run):
        super().__init__()
        self.run = run

    def forward(self):
        self.predictions = self.run()
        return dspy.Prediction(answers=[prediction.answer for prediction in self.predictions])


def tokens(usage):
    return [(counts["prompt_tokens"], counts["completion_tokens"]) for counts in (usage or {}).values()]


for run in (one_by_one, batch, parallel):
    requests.clear()
    module = Module(run)
    whole = module().get_lm_usage()
    print(f"{run.__name__}: {len(requests)} requests, module {tokens(whole)}")
requests.clear()
with dspy.track_usage() as tracker:
    predictions = batch()
parts = [tokens(prediction.get_lm_usage()) for prediction in predictions]
print(f"batch, tracked: {len(requests)} requests, each {parts}, together {tokens(tracker.get_total_tokens())}")
print("batch alone: each", [tokens(prediction.get_lm_usage()) for prediction in batch()])
PYTHON
diff "$here/seen" - <<'SEEN'
one_by_one: 3 requests, module [(6000, 900)]
batch: 3 requests, module []
parallel: 3 requests, module []
batch, tracked: 3 requests, each [[], [], []], together []
batch alone: each [[(2000, 300)], [(2000, 300)], [(2000, 300)]]
SEEN
echo "as described"
