"""A tenant on its way from one isolation level to another, while it is being used."""
