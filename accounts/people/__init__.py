"""The people of a customer: invitations, roles, leaving."""
