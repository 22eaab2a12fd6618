"""A customer's account: statements, payments and credits in double entries, and the balance."""
