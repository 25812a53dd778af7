"""Flows as data: read the files of a project, check, draw and run them, and pack them into a zip.

Nothing here talks to a server. `zip` collects files, `loader` reads them as Azkaban's loaders do,
`lint` says what is wrong with them, `graph` draws a flow, `local` runs it on this machine, and
`overrides` tells which properties an execution can change.
"""
