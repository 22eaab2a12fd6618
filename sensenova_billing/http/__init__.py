"""What happens to every request and response: limits of bodies and concurrency, headers, errors."""
