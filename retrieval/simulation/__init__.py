"""Questions made up from the tenants' own documents, asked and rated as people would."""
