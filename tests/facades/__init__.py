"""Other people's clients, as they are in the registry, against a real stack."""
