"""Other schedulers, to run what ``azk export`` writes: Luigi and Airflow.

Each has a folder below ``schedulers`` of the prefix: an environment from its own lock, its data and
its logs. They listen on loopback alone.
"""
