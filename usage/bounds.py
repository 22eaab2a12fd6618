"""Bounds of the windows of call limits, for the tables and the stores that keep them."""

# No TPM is larger, so to a limit any larger quantity is the same; and sums of it cannot overflow.
MOST_TOKENS_COUNTED = 2**31
# Sixty seconds reach into 61 whole ones, wherever they start (docs/call-limits.md).
PLACES_IN_A_WINDOW = 61
