"""Decipherment of substitution ciphers with MCMC."""
