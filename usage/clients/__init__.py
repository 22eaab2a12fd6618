"""Usage in the formats of other systems: CloudEvents, Lago, LiteLLM."""
