"""What people set for themselves, and owners and finance for their customer."""
