"""What `azk deploy` decides of a project's files.

`contents` tells the files of a project apart from those that were sent before; `table` reads
``[deploy]`` of a project's ``azk.toml``. Nothing here talks to a server.
"""
