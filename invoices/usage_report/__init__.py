"""What a customer used over any span: by hour, day or month; by service, billing item or metadata."""
