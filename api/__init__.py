"""HTTP: no SQL, no torch."""
