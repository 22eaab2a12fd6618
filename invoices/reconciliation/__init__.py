"""Our usage against the other side's: a file of a sender or a provider, compared call by call."""
