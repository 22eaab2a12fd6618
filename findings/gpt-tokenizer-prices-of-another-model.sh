#!/usr/bin/env bash
# gpt-tokenizer 4.0.0: a million tokens of GPT-5 and of GPT-4.1 cost the same, 10 dollars in and 30 out.
#
# The library's modules are made per model, and estimateCost() of each needs nothing but the number of tokens.
# Expected: OpenAI's prices, as tokenlens 1.3.1 has them: 1.25 and 10 dollars for GPT-5, 2 and 8 for GPT-4.1.
# Seen on 2026-11-30: those of GPT-4 Turbo for both, so that an estimate of GPT-5's input is eight times too high. For
# GPT-5 mini there is an error, as one would expect of a model whose price is not known.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
npm install --silent --no-audit --no-fund --prefix "$here" gpt-tokenizer@4.0.0 tokenlens@1.3.1
cat > "$here/prices.mjs" <<'JAVASCRIPT'
import { getTokenCosts } from 'tokenlens';

for (const model of ['gpt-5', 'gpt-4.1', 'gpt-5-mini']) {
  const { estimateCost } = await import(`gpt-tokenizer/model/${model}`);
  let estimate;
  try {
    const { main } = estimateCost(1_000_000);
    estimate = `${main.input} and ${main.output}`;
  } catch (error) {
    estimate = error.message.split(':')[0];
  }
  const usage = { inputTokens: 1_000_000, outputTokens: 1_000_000 };
  const { inputUSD, outputUSD } = getTokenCosts({ modelId: `openai/${model}`, usage });
  console.log(`${model}: ${estimate}; tokenlens ${inputUSD} and ${outputUSD}`);
}
JAVASCRIPT
node "$here/prices.mjs" > "$here/seen"
diff "$here/seen" - <<'SEEN'
gpt-5: 10 and 30; tokenlens 1.25 and 10
gpt-4.1: 10 and 30; tokenlens 2 and 8
gpt-5-mini: No cost information available for model; tokenlens 0.25 and 2
SEEN
echo "as described"
