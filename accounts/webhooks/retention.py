"""How long the log of deliveries stays at least."""

FEWEST_DAYS = 7  # the database refuses to remove what was delivered later
