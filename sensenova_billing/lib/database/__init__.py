"""Django's PostgreSQL backend, which hands out no pooled connection that the server has ended."""
