"""The one-file archive: the product and everything that it installs, as one program for Python.

::

    __main__.py      setup/bundle/start.py: checks Python, platform and files, then goes on below
    MANIFEST.json    what it is, and the SHA-256 of every other file
    product/         this checkout, without its tests; in a whole archive also
        wheels/          packages, from which `setup.python.installer` installs
        downloads/       jars and servers, which are looked for there first

`setup.bundle.make` writes it. `setup.bundle.product` unpacks it once, to
``PREFIX/product/<digest>``, and continues there as from a checkout.
"""
