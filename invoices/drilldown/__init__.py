"""From a charge line to its calls."""
