"""Where the windows of call limits are kept: PostgreSQL, or Redis with PostgreSQL to fall back on."""
