"""The shapes of what is said and answered, for those who read our descriptions."""
