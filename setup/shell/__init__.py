"""The command `azkaban-jobflow` and what shells and man want to know of it, and of `azk`.

`setup.shell.program` writes the command beside `azk` in the environment. `setup.shell.tree` reads
the parsers, from which `setup.shell.completion` and `setup.shell.man` write scripts and pages.
"""
