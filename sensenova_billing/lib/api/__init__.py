"""What every endpoint of the API shares: body, query parameters, errors, schemas, views."""
