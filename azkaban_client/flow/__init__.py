"""Flows as data: read a project's files, check, draw and run them, and pack them into a zip.

Only `overrides` can ask a server. `zip` packs files, `loader` reads them as Azkaban's loaders do,
`lint` finds what is wrong with them, `graph` draws a flow, `local` runs it on this machine, and
`overrides` finds the properties that an execution can change.
"""
