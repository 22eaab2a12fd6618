"""The stores of the windows of call limits: PostgreSQL, or Redis with failover to PostgreSQL."""
