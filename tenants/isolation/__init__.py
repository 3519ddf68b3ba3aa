"""Three ways to keep tenants apart, on one set of tables."""
