"""The safelight command."""
