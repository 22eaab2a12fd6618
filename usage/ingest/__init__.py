"""Usage on its way into the table: payload, checks, one commit."""
