"""Monthly statements: issued once a month is over, numbered, never changed."""
