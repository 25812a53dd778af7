"""Tell people what happens on an Azkaban server, from outside of it.

`rules` says whom to tell of what, `look` finds out what happened, `journal` remembers what was
told, `tell` sends it, `watcher` does this over and over.
"""
