"""Markov chain Monte Carlo samplers."""
