"""Multi-dispatcher route optimisation."""
