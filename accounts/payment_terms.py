"""How long customers have to pay, and how long calls are admitted after that."""

MOST_DAYS = 3650  # to pay, and of grace
