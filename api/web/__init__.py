"""HTTP itself, whatever is asked for: bodies in, files and problems out, connections."""
