"""Settings: the one place where the environment and safelight.toml are read. And failure points, for tests."""
