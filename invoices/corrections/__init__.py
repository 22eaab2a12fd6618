"""Re-rating of closed hours."""
