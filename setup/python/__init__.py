"""A private Python and environments that travel.

`setup.python.install` brings an interpreter with pip under the prefix; `setup.python.pack` turns
an environment into one archive that runs wherever it is unpacked. Both start on the standard
library alone.
"""
