"""Bounds of the windows of call limits, for the tables and the stores."""

# No TPM is larger, so larger quantities make no difference to a limit; and their sums cannot overflow.
MOST_TOKENS_COUNTED = 2**31
# So where packages have more in all, this is their limit.
MOST_LIMIT = MOST_TOKENS_COUNTED - 1
# Sixty seconds reach into 61 whole ones, wherever they start (docs/call-limits.md).
PLACES_IN_A_WINDOW = 61
