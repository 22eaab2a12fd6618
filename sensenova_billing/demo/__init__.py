"""The demo's customers and their usage."""
