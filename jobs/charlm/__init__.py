"""Character language models."""
