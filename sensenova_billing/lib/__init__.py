"""What belongs to no app; it imports none."""
