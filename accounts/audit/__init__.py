"""The audit trail, and the admin pages whose changes it explains."""
