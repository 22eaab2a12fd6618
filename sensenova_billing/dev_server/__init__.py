"""`make run`: an embedded PostgreSQL and all processes under one supervisor."""
