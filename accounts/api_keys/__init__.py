"""Service keys: issuing, recognising, scopes, and which customers a key or a person may see."""
