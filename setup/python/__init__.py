"""Install a private Python, and pack environments that run elsewhere.

`setup.python.install` installs an interpreter with pip in the prefix; `setup.python.pack` turns
an environment into one archive that runs wherever it is unpacked. Both start on the standard
library alone.
"""
