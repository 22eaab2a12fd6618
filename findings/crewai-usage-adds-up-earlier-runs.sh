#!/usr/bin/env bash
# crewai 1.15.30: the token usage of a run holds that of earlier runs with the same LLM object, and where two agents share
# one, all tokens are counted twice.
#
# kickoff() returns the result of one run with its token_usage; kickoff_for_each() one result for each input, and the
# crew's usage_metrics are the sum.
# Expected: 2000 of input of a run that makes one call of 2000; 4000 of two agents with a call each; 2000, 2000 and 2000 of
# three inputs, 6000 in all.
# Seen on 2026-12-01: 2000, 4000 and 6000 of three runs; 8000 of two agents with one LLM object, 4000 with one each; and
# 12000 of three inputs. Whoever bills each run by its usage charges the first ones again. Agent.kickoff() has its own.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check crewai==1.15.30 openai==2.54.0
cd "$here"
export HOME="$here" CREWAI_DISABLE_TELEMETRY=true CREWAI_TRACING_ENABLED=false OTEL_SDK_DISABLED=true
"$here/venv/bin/python" -W ignore - > "$here/output" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import http.server
import json
import threading

from crewai import LLM, Agent, Crew, Task

requests = []


class Answering(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        requests.append(self.rfile.read(int(self.headers["Content-Length"])))
        message = {"role": "assistant", "content": "Thought: I know.\nFinal Answer: Hi"}
        answer = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1795900000,
            "model": "gpt-5",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
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


def model():
    return LLM(model="openai/gpt-5", api_key="key", base_url=f"http://127.0.0.1:{server.server_port}")


def crew(*models):
    agents = [Agent(role=f"Agent {i}", goal="Greet", backstory="A host", llm=llm) for i, llm in enumerate(models)]
    return Crew(agents=agents, tasks=[Task(description="Greet {name}", expected_output="Hi", agent=agent) for agent in agents])


def show(name, *results):
    print("seen", name, [result.token_usage.prompt_tokens for result in results], "requests", len(requests))
    requests.clear()


one = model()
names = [{"name": name} for name in ("acme", "bob", "eve")]
show("three runs:", *[crew(one).kickoff(names[0]) for _ in range(3)])
show("two agents, an LLM each:", crew(model(), model()).kickoff(names[0]))
one = model()
show("two agents, one LLM:", crew(one, one).kickoff(names[0]))
greeting = crew(model())
show("three inputs:", *greeting.kickoff_for_each(names))
print("seen", "of all", greeting.usage_metrics.prompt_tokens)
PYTHON
grep '^seen ' "$here/output" | cut -d' ' -f2- > "$here/seen"
diff "$here/seen" - <<'SEEN'
three runs: [2000, 4000, 6000] requests 3
two agents, an LLM each: [4000] requests 2
two agents, one LLM: [8000] requests 2
three inputs: [2000, 4000, 6000] requests 3
of all 12000
SEEN
echo "as described"
