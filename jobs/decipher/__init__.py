"""Substitution ciphers and language models."""
