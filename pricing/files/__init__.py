"""The catalogue as CSV and Excel files."""
