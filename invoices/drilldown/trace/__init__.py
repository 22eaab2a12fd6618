"""From a charge line to its records, from a record to its lines, and where records are archived."""
