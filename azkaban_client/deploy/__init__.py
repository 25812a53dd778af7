"""What `azk deploy` decides: when a flow runs, and what of its project has changed.

`when` reads how somebody says a time and writes it as the server wants it; `contents` tells the
files of a project apart from those that were sent before; `table` reads ``[deploy]`` of a project's
``azk.toml``. Nothing here talks to a server.
"""
