"""What open hours come to so far."""
