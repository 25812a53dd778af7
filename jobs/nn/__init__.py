"""Multilayer perceptrons on tables."""
