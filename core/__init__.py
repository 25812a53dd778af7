"""Numerical cores: neural networks, samplers, decipherment, routing."""
