"""A tenant as one file: a ZIP archive of its documents, its rows as JSON lines, and a manifest."""
