"""The daily quality report of a tenant and of the fleet."""
