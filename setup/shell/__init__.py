"""The command `azkaban-jobflow`, with completion and man pages for it and for `azk`.

`setup.shell.program` writes the command beside `azk` in the environment. `setup.shell.tree` reads
the parsers, from which `setup.shell.completion` and `setup.shell.man` write scripts and pages.
"""
