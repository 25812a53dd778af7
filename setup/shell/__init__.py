"""The command `azkaban-jobflow` and what shells want to know of it.

`setup.shell.program` writes the command beside `azk` in the environment.
"""
