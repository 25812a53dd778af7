"""Entry points of Azkaban jobs: ``python -m jobs.NAME --prop key=value``."""
