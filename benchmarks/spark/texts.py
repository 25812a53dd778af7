r"""Write many gigabytes of labelled texts: one to a line, a folder for each class.

    python benchmarks/spark/texts.py --out FOLDER --gb 10

The classes are the folders of ``docs/``. A text of a class is made of phrases of its pages, 3 to 7
words each, so its words are about as frequent, and follow each other, as there. As in other
texts, there are always new words: one phrase of ten has a word that is put together from two. The
lengths are log-normal with a median of 250 words. The same seed and size give the same bytes.
"""

from __future__ import annotations

import argparse
import re
import sys
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import numpy.typing as npt

DOCS = Path(__file__).resolve().parents[2] / "docs"
CLASSES = ("explanation", "how-to", "reference", "start")
SHARD = 64_000_000  # bytes
MEDIAN, SPREAD = 250, 0.7  # words of a text; of its logarithm
WORDS = 5  # of a phrase, on average
POOL = 50_000  # phrases of a class to draw from
NEW = 0.1


def phrases(name: str, rng: np.random.Generator) -> npt.NDArray[np.object_]:
    """Cut phrases out of a class's pages."""
    pages = sorted((DOCS / name).glob("*.md"))
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    words = re.sub(r"[|#*`]", " ", text).split()
    starts = rng.integers(len(words) - 7, size=POOL)
    lengths = rng.integers(3, 8, size=POOL)
    return np.array(
        [" ".join(words[a : a + n]) for a, n in zip(starts, lengths, strict=True)], object
    )


def shard(task: tuple[str, int], out: Path, size: int, seed: int) -> int:
    """Write a file of a class; return how many texts it has."""
    name, number = task
    pool = phrases(name, np.random.default_rng([seed, CLASSES.index(name)]))
    parts = sorted({word.lower() for phrase in pool for word in phrase.split() if word.isalpha()})
    rng = np.random.default_rng([seed, CLASSES.index(name), number])
    written = texts = 0
    path = out / name / f"part-{number:05}.txt"
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        while written < size:
            lengths = rng.lognormal(np.log(MEDIAN / WORDS), SPREAD, 1000).astype(int) + 1
            picked = pool[rng.integers(POOL, size=int(lengths.sum()))]
            new = np.flatnonzero(rng.random(picked.size) < NEW)
            pairs = rng.integers(len(parts), size=(new.size, 2))
            for place, (one, other) in zip(new, pairs, strict=True):
                picked[place] = f"{picked[place]} {parts[one]}{parts[other]}"
            lines = [" ".join(some) for some in np.split(picked, np.cumsum(lengths)[:-1])]
            written += stream.write("\n".join(lines) + "\n")
            texts += len(lines)
    return texts


def main() -> int:
    """Write all files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--gb", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    each = options.gb * 1e9 / len(CLASSES)  # bytes of a class
    files = max(1, round(each / SHARD))
    for name in CLASSES:
        (options.out / name).mkdir(parents=True)
    work = partial(shard, out=options.out, size=round(each / files), seed=options.seed)
    with Pool() as pool:
        texts = sum(pool.imap_unordered(work, [(c, n) for n in range(files) for c in CLASSES]))
    print(f"{texts:,} texts, {len(CLASSES)} classes, {files * len(CLASSES)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
