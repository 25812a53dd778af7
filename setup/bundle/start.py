"""Start of the one-file archive; runs on old Pythons too, to say that they are too old.

This is its `__main__.py`. Nothing else in the file is used before its SHA-256 is checked.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
import os
import sys


def refuse(code, text):
    """Exit with a one-sentence message."""
    if sys.stderr:  # otherwise it is closed
        sys.stderr.write("%s: %s\n" % (os.path.basename(FILE), text))
    sys.exit(code)


def damaged(what):
    """Exit because a part is not what it should be."""
    refuse(4, "this file is damaged (%s), nothing was changed; copy or make it again" % what)


def checked():
    """Check the program's files against the manifest, and return the manifest."""
    import hashlib
    import json
    import zipfile
    import zlib

    try:
        with zipfile.ZipFile(FILE) as archive:
            manifest = json.loads(archive.read("MANIFEST.json").decode())
            files = manifest["files"]
            names = set(archive.namelist()) - {"MANIFEST.json"}
            if names != set(files):
                damaged("%s is not as in MANIFEST.json" % min(names ^ set(files)))
            for name in sorted(names):
                # Packages and jars are compared when they are unpacked.
                if name.startswith(("product/wheels/", "product/downloads/")):
                    continue
                if hashlib.sha256(archive.read(name)).hexdigest() != files[name]:
                    damaged(name)
        return manifest  # noqa: TRY300 (one way out)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        damaged(error)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        damaged(error)


def unsuitable(manifest):
    """Say why the packages inside do not run here; empty if they do."""
    import platform

    here = "%s-%s" % (sys.platform, platform.machine())
    if manifest["platform"] and here != manifest["platform"]:
        return "it holds programs for %s, and this is %s" % (manifest["platform"], here)
    version = "%d.%d" % sys.version_info[:2]
    if manifest["pythons"] and version not in manifest["pythons"]:
        wanted = " or ".join(manifest["pythons"])
        return "it holds packages for Python %s, and this is %s: start it with python%s" % (
            wanted,
            version,
            manifest["pythons"][0],
        )
    library, release = platform.libc_ver()
    found = [int(part) for part in release.split(".")[:2] if part.isdigit()]
    if manifest["platform"] and (library != "glibc" or found < manifest["glibc"]):
        return "it holds programs for glibc %d.%d or newer, and this machine has %s" % (
            manifest["glibc"][0],
            manifest["glibc"][1],
            ("%s %s" % (library, release)).strip() or "another libc",
        )
    return ""


def main():
    """Check Python, the file and this machine, then continue with the program in the file."""
    if sys.version_info < (3, 11):
        refuse(
            3,
            "Python %d.%d is too old, 3.11 or newer is needed; where a newer one is installed, "
            "name it: python3.11 %s ..." % (sys.version_info[0], sys.version_info[1], FILE),
        )
    sys.dont_write_bytecode = True  # nothing is written before the folder is known
    manifest = checked()
    sys.path[0] = os.path.join(FILE, "product")
    sys.argv[0] = os.path.join(FILE, "product", "setup")
    from setup.platforms import elsewhere
    from setup.prepare import prepare

    prepare()
    reason = elsewhere() or unsuitable(manifest)
    if reason:
        refuse(3, reason)
    from setup.bundle.enter import start

    return start(FILE)


FILE = os.path.dirname(os.path.abspath(__file__))
if __name__ == "__main__":
    sys.exit(main())
