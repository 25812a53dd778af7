"""Run by the interpreter that is looked at, of any version from 3.8: prints JSON, imports no more.

Arguments: ``describe``, or ``tour`` with the names of modules to import after the standard
library's. What a tour finds says where an interpreter really takes its files from.
"""

import contextlib
import importlib
import io
import json
import os
import platform
import site
import sys
import sysconfig

# What programs expect of a whole Python; each needs a shared library or a file that may be missing.
STDLIB = (
    *("bz2", "ctypes", "decimal", "hashlib", "lzma", "multiprocessing", "sqlite3", "ssl"),
    *("unicodedata", "uuid", "zlib", "zoneinfo"),
)


def describe() -> dict:  # type: ignore[type-arg]
    """Say where an environment and its base interpreter have their files."""
    import importlib.metadata

    paths = sysconfig.get_paths()
    distributions = []
    for found in importlib.metadata.distributions(
        path=sorted({paths["purelib"], paths["platlib"]})
    ):
        direct = json.loads(found.read_text("direct_url.json") or "{}")
        files = [str(file) for file in found.files or ()]
        distributions.append(
            {
                "name": found.metadata["Name"],
                "version": found.version,
                "editable": bool(direct.get("dir_info", {}).get("editable")),
                "files": files,
            }
        )
    return {
        "version": platform.python_version(),
        "cache_tag": sys.implementation.cache_tag,
        "executable": sys.executable,
        "base": getattr(sys, "_base_executable", sys.executable),
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "venv": sys.prefix != sys.base_prefix,
        "libraries": getattr(sys, "platlibdir", "lib"),
        "stdlib": sysconfig.get_path("stdlib"),
        "purelib": paths["purelib"],
        "platlib": paths["platlib"],
        "scripts": paths["scripts"],
        "shared": sysconfig.get_config_var("INSTSONAME") or "",
        "distributions": sorted(distributions, key=lambda found: found["name"].lower()),
    }


def tour(names: list) -> dict:  # type: ignore[type-arg]
    """Use the standard library, import modules, and list every file that was mapped or loaded."""
    failed = {}
    folders = [entry for entry in sys.path if entry.endswith("lib-dynload")]
    compiled = [f.split(".")[0] for folder in folders for f in os.listdir(folder)]
    skipped = ("_test", "_xx", "xx", "_tkinter", "_ctypes_test")
    optional = {name for name in compiled if not name.startswith(skipped)}
    for name in [*STDLIB, *sorted(optional), *names]:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                importlib.import_module(name)
        except BaseException as error:  # noqa: BLE001 (whatever a foreign module does)
            if name not in optional or name in STDLIB:
                failed[name] = f"{type(error).__name__}: {error}"
    mapped = []
    if not failed.keys() & set(STDLIB):
        _use()
        mapped = _libraries()
    loaded = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    return {
        "executable": sys.executable,
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "failed": failed,
        "mapped": mapped,
        "loaded": sorted(file for file in loaded if file and os.path.isabs(file)),
        "path": [entry for entry in sys.path if entry],
        "site": site.getsitepackages(),
        "authorities": "ssl" in sys.modules and _authorities(),
    }


def _authorities() -> bool:
    """Tell whether there are certificates where this Python looks for them."""
    import ssl

    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile or paths.capath)


def _libraries() -> list:  # type: ignore[type-arg]
    """List the shared libraries of this process by the names under which the loader found them."""
    import ctypes

    class Info(ctypes.Structure):
        _fields_ = [("address", ctypes.c_void_p), ("name", ctypes.c_char_p)]

    names = set()

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Info), ctypes.c_size_t, ctypes.c_void_p)
    def note(info, _size, _data):  # type: ignore[no-untyped-def]
        names.add(os.path.normpath(os.fsdecode(info.contents.name or b"")))
        return 0

    ctypes.CDLL(None).dl_iterate_phdr(note, None)
    return sorted(name for name in names if os.path.isabs(name))


def _use() -> None:
    """Do a little with what often breaks when a Python is moved."""
    import ctypes
    import hashlib
    import lzma
    import sqlite3
    import ssl

    if sqlite3.connect(":memory:").execute("SELECT 6 * 7").fetchone() != (42,):
        raise SystemExit("sqlite3 cannot count")
    ssl.create_default_context()
    hashlib.sha256(lzma.decompress(lzma.compress(b"x"))).hexdigest()
    if ctypes.CDLL(None).getpid() != os.getpid():
        raise SystemExit("ctypes calls the wrong function")


if __name__ == "__main__":
    found = describe() if sys.argv[1] == "describe" else tour(sys.argv[2:])
    print(json.dumps(found))
