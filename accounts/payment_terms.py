"""How long customers have to pay, and how long calls are admitted after that."""

MOST_DAYS = 3650  # to pay, of grace, and of notice
MOST_HOURS = 24 * 31  # of spending that a low balance covers
