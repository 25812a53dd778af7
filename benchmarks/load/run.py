"""What a server bears: uploads, starts and followers at the same moment, now and before.

    python3 benchmarks/load/run.py [--before REVISION] [--json benchmarks/load/figures.json]

Two servers, each in a prefix of its own below the home folder: HTTP on H2, and TLS on MySQL with
web server and executor apart. With ``--before``, those of a commit are measured in turn with them.
`benchmarks/page.py` writes docs/reference/load-figures.md from the file, where phases that are not
measured again keep their figures.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SERVERS = {
    "HTTP on H2": ("--profile", "solo", "--no-tls"),
    "TLS on MySQL": ("--profile", "server", "--tls"),
}


@dataclass(frozen=True)
class Way:
    """One checkout."""

    name: str
    tree: Path

    def measure(self, folder: Path, server: str, *arguments: str) -> dict[str, Any]:
        """Start a server in a new prefix, let the crowd loose, and stop it."""
        environ = {k: v for k, v in os.environ.items() if not k.startswith("AZK_")}
        environ |= {"AZK_HOME": str(folder / "prefix"), "PYTHONPATH": str(self.tree)}
        environ["AZK_CACHE"] = os.environ.get("AZK_CACHE", str(folder.parent / "cache"))

        def setup(*words: str) -> str:
            command = [sys.executable, "-m", "setup", *words]
            return _output(command, cwd=self.tree, environ=environ)

        setup("up", *SERVERS[server])
        try:
            program = folder / "prefix" / "env" / "bin" / "python"
            crowd = Path(__file__).with_name("crowd.py")
            config = folder / "prefix" / "azk.toml"
            command = [str(program), str(crowd), str(config), *arguments]
            return dict(json.loads(_output(command, cwd=self.tree, environ=environ)))
        finally:
            setup("stop")


def _output(command: list[str], *, cwd: Path, environ: dict[str, str]) -> str:
    result = subprocess.run(
        command, cwd=cwd, env=environ, capture_output=True, text=True, check=False
    )
    if result.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{result.stderr[-3000:]}")
    return result.stdout


def _checkout(revision: str, folder: Path) -> Path:
    folder.mkdir()
    git = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT)]
    packed = subprocess.run([*git, "archive", revision], capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed, check=True)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--before", metavar="REVISION", help="measure a commit beside this one")
    parser.add_argument("--only", choices=SERVERS, help="one of the two servers")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also keep the figures there")
    parser.add_argument("crowd", nargs="*", help="after --: options of crowd.py")
    options = parser.parse_args()
    kept = json.loads(options.json.read_text()) if options.json and options.json.exists() else {}
    found: dict[str, dict[str, Any]] = kept.get("servers", {})
    before = options.before or kept.get("before", "")
    load = round(os.getloadavg()[0], 1)  # of others: what is measured makes its own
    with tempfile.TemporaryDirectory(dir=Path.home(), prefix="load-") as name:
        folder = Path(name)
        ways = [Way("now", ROOT)]
        if options.before:
            ways.append(Way("before", _checkout(options.before, folder / "old")))
        for server in [options.only] if options.only else SERVERS:
            for way in ways:
                place = folder / f"{way.name}-{server.replace(' ', '-')}"
                place.mkdir()
                start = time.monotonic()
                measured = way.measure(place, server, *options.crowd)
                found.setdefault(server, {}).setdefault(way.name, {}).update(measured)
                print(f"{server}, {way.name} ({time.monotonic() - start:.0f} s):")
                for phase, values in measured.items():
                    print(f"  {phase:12}", json.dumps(values))
                if options.json:
                    text = json.dumps(_kept(found, before, load), indent=1)
                    options.json.write_text(text + "\n")


def _kept(found: dict[str, Any], before: str, load: float) -> dict[str, Any]:
    return {
        "before": before,
        "cores": os.cpu_count(),
        "load": load,
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30,
        "servers": found,
    }


if __name__ == "__main__":
    main()
