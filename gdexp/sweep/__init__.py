"""What a sweep does, how Hydra is told of it, and how its progress is shown."""
