#!/usr/bin/env bash
# tokenlens 1.3.1: what a prompt read from the cache is charged at the full price and at the cached one as well.
#
# The input of the AI SDK's usage, and of OpenAI's, holds the cached tokens; tokenlens is made for the AI SDK's.
# Expected, for 2,000 of input of which 1,024 are cached, and 300 of output, at GPT-5's 1.25, 0.125 and 10 dollars a
# million: (976 x 1.25 + 1024 x 0.125 + 300 x 10) / 10^6 = 0.004348 USD.
# Seen on 2026-11-30: 0.005628, for both objects, because all 2,000 have the full price and the 1,024 are added. The more
# is cached, the more is charged: 10,000 tokens that are all cached cost more than without a cache.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
npm install --silent --no-audit --no-fund --prefix "$here" tokenlens@1.3.1
cat > "$here/costs.mjs" <<'JAVASCRIPT'
import { getTokenCosts } from 'tokenlens';

const usages = {
  'AI SDK': { inputTokens: 2000, cachedInputTokens: 1024, outputTokens: 300, reasoningTokens: 200, totalTokens: 2300 },
  OpenAI: { prompt_tokens: 2000, prompt_tokens_details: { cached_tokens: 1024 }, completion_tokens: 300, total_tokens: 2300 },
  'nothing cached': { inputTokens: 10000, cachedInputTokens: 0, outputTokens: 0, totalTokens: 10000 },
  'all cached': { inputTokens: 10000, cachedInputTokens: 10000, outputTokens: 0, totalTokens: 10000 },
};
for (const [name, usage] of Object.entries(usages)) {
  const costs = getTokenCosts({ modelId: 'openai/gpt-5', usage });
  console.log(`${name}: ${costs.totalUSD.toFixed(6)}`);
}
JAVASCRIPT
node "$here/costs.mjs" > "$here/seen"
diff "$here/seen" - <<'SEEN'
AI SDK: 0.005628
OpenAI: 0.005628
nothing cached: 0.012500
all cached: 0.013750
SEEN
echo "as described"
