"""A customer's own keys: owners make, rotate and revoke them in the browser."""
