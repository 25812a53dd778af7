"""Compare core.mcmc and core.decipher with their peers, in one run on one machine.

    pip install numpy scipy arviz-stats numba subbreaker emcee blackjax
    python benchmarks/mcmc/corpus.py --out DIR
    python benchmarks/mcmc/run.py --texts DIR [--passages 60] [--only decipher|homophonic|speed|ess]

Times are CPU seconds of this process. Passages are held out: State of the Union addresses from 1990
on (`sotu`), and Moby-Dick (`moby`), which resembles the training texts much less. The spaces are
removed for the searches without spaces, and for subbreaker, which does not use them.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from core.decipher import ENGLISH, Settings, decipher, decipher_homophonic, english
from core.decipher.homophonic import share_out
from core.decipher.moves import Swaps
from core.decipher.score import WordScore
from core.decipher.spaceless import LetterScore, WordSum
from core.decipher.walk import KeyWalk
from core.mcmc import RandomWalk, adapt, sample


def passages(path: Path, letters: int, count: int, seed: int) -> list[str]:
    """Draw passages of whole words with at least `letters` letters, lower case, single spaces."""
    words = ENGLISH.words(path.read_text(encoding="utf-8"))
    rng, found = np.random.default_rng(seed), []
    for start in rng.integers(0, len(words) - letters, count):
        total = np.cumsum([len(w) for w in words[start : start + letters]])
        found.append(" ".join(words[start : start + int(np.searchsorted(total, letters)) + 1]))
    return found


def clock(call: Any, *args: Any, **kwargs: Any) -> tuple[Any, float]:
    start = time.process_time()
    return call(*args, **kwargs), time.process_time() - start


def row(name: str, shares: list[float], seconds: list[float]) -> None:
    right = np.array(shares)
    print(
        f"{name:44} >=99%: {np.mean(right >= 0.99):.3f}   mean {right.mean():.4f}   "
        f"CPU s mean {np.mean(seconds):.2f} median {np.median(seconds):.2f}",
        flush=True,
    )


def solve_all(
    texts: list[str], *, spaces: bool, compiled: bool = False
) -> tuple[list[float], list[float]]:
    model, shares, seconds = english(), [], []
    settings = Settings(spaces=spaces, compiled=compiled)
    for i, text in enumerate(texts):
        rng = np.random.default_rng(1000 + i)
        key = np.concatenate([[0], rng.permutation(26) + 1])
        plain = ENGLISH.encode(text if spaces else text.replace(" ", ""))
        cipher = ENGLISH.encode(plain.decode(key))
        found, spent = clock(decipher, cipher, model, rng, settings=settings)
        shares.append(float((ENGLISH.encode(found.plaintext).codes == plain.codes).mean()))
        seconds.append(spent)
    return shares, seconds


def subbreaker_all(texts: list[str]) -> tuple[list[float], list[float]]:
    import subbreaker

    with (Path(subbreaker.__file__).parent / "quadgram" / "EN.json").open() as stream:
        breaker = subbreaker.Breaker(stream)
    shares, seconds = [], []
    for i, text in enumerate(texts):
        key = np.concatenate([[0], np.random.default_rng(1000 + i).permutation(26) + 1])
        plain = ENGLISH.encode(text)
        cipher = plain.decode(key)
        found, spent = clock(breaker.break_cipher, cipher)
        shares.append(float(np.mean([a == b for a, b in zip(found.plaintext, text, strict=True)])))
        spaces = text.count(" ") / len(text)  # those are always right: leave them out
        shares[-1] = (shares[-1] - spaces) / (1 - spaces)
        seconds.append(spent)
    return shares, seconds


def bench_decipher(
    folder: Path, count: int, lengths: list[int], sources: list[str], seed: int
) -> None:
    for source in sources:
        for letters in lengths:
            texts = passages(folder / f"{source}.txt", letters, count, seed + letters)
            for spaces in (True, False):
                for compiled in (False, True):
                    solve_all(texts[:1], spaces=spaces, compiled=compiled)  # compiles
                    name = f"{'spaces known' if spaces else 'no spaces'}, numba: {compiled}"
                    found = solve_all(texts, spaces=spaces, compiled=compiled)
                    row(f"{source} {letters} letters, {name}", *found)
            if letters > 60:
                row(f"{source} {letters} letters, subbreaker", *subbreaker_all(texts))


# Letters and symbols.
HOMOPHONIC = ((408, 54), (250, 54), (200, 40), (408, 70), (1000, 100))


def bench_homophonic(folder: Path, count: int, sources: list[str], seed: int) -> None:
    """Give each letter its symbols by its share, one of them at random each time."""
    model = english()
    for letters, symbols in HOMOPHONIC:
        ends = np.concatenate([[0], share_out(model, symbols).cumsum()])
        for source in sources:
            shares, seconds = [], []
            for i, text in enumerate(passages(folder / f"{source}.txt", letters, count, seed)):
                rng = np.random.default_rng(seed * 1000 + i)
                plain = ENGLISH.encode(text).codes[:letters]
                drawn = ends[plain - 1] + rng.random(letters) * (ends[plain] - ends[plain - 1])
                numbers = rng.permutation(symbols)[drawn.astype(int)]
                cipher = ENGLISH.read_homophonic(" ".join(map(str, numbers)))
                found, spent = clock(decipher_homophonic, cipher, model, rng)
                shares.append(float((found.key[cipher.codes] == plain).mean()))
                seconds.append(spent)
            row(f"{source} {letters} letters, {symbols} symbols", shares, seconds)


def bench_speed(folder: Path) -> None:
    """Proposals per second at 200 letters, temperature 1, from random keys: median of 5 times."""
    text = ENGLISH.encode(passages(folder / "sotu.txt", 200, 1, seed=1)[0])
    for kind in (LetterScore, WordScore, WordSum):
        score = kind(english(), text)
        for compiled in (False, True):
            for chains in (1, 64, 256):
                rng = np.random.default_rng(0)
                walk = KeyWalk(score, Swaps.of(score), compiled=compiled)
                rows = np.tile(np.arange(1, 27), (chains, 1))
                keys = np.column_stack([np.zeros(chains, int), rng.permuted(rows, axis=1)])
                length = 50 if chains > 1 else 2000
                state, _ = walk.run(rng, walk.init(keys), length)
                rounds = 2 if kind is WordSum and not compiled else 20
                rates = []
                for _ in range(5):
                    start = time.process_time()
                    for _ in range(rounds):
                        state, _ = walk.run(rng, state, length)
                    rates.append(rounds * length * chains / (time.process_time() - start))
                rate = np.median(rates)
                way = "numba" if compiled else "numpy"
                print(f"proposals per s, {kind.__name__}, {way}, {chains:3} chains: {rate:,.0f}")


def bench_ess() -> None:
    """Effective samples per CPU second (least over dimensions), adaptation included."""
    from arviz_stats.base import array_stats

    for n_dim in (2, 10):
        cov = np.full((n_dim, n_dim), 0.9) + 0.1 * np.eye(n_dim)
        factor = np.linalg.cholesky(np.linalg.inv(cov))

        def log_density(x: np.ndarray, factor: np.ndarray = factor) -> np.ndarray:
            y = x @ factor
            return -0.5 * np.einsum("ij,ij->i", y, y)

        def report(name: str, draws: np.ndarray, seconds: float, n_dim: int = n_dim) -> None:
            ess = array_stats.ess(draws, chain_axis=0, draw_axis=1).min()
            rhat = array_stats.rhat(draws, chain_axis=0, draw_axis=1).max()
            print(
                f"{n_dim:2}-D {name:34} ESS/s {ess / seconds:10,.0f}  R-hat {rhat:.3f}", flush=True
            )

        for chains, n_draws, burn_in in ((1, 100_000, 10_000), (32, 10_000, 2000)):

            def ours(
                chains: int = chains,
                n_draws: int = n_draws,
                burn_in: int = burn_in,
                n_dim: int = n_dim,
                log_density: Any = log_density,
            ) -> Any:
                rng = np.random.default_rng(2)
                start = rng.standard_normal((chains, n_dim))
                kernel, state = adapt(log_density, start, rng, n_steps=burn_in)
                return sample(kernel, state, rng, n_draws=n_draws).draws

            report(f"core.mcmc, {chains} chains, adapted", *clock(ours))
        isotropic = RandomWalk(log_density, 2.4 / np.sqrt(n_dim) * np.sqrt(0.1))
        start, rng = np.zeros((1, n_dim)), np.random.default_rng(3)
        result, spent = clock(sample, isotropic, start, rng, n_draws=100_000)
        report("core.mcmc, 1 chain, isotropic", result.draws, spent)
        _peers(n_dim, cov, log_density, report)


def _peers(n_dim: int, cov: np.ndarray, log_density: Any, report: Any) -> None:
    import blackjax
    import emcee
    import jax

    for vectorised in (False, True):
        target = log_density if vectorised else (lambda x: float(log_density(x[None])[0]))
        walkers = emcee.EnsembleSampler(32, n_dim, target, vectorize=vectorised)
        walkers.random_state = np.random.RandomState(4).get_state()
        start = np.random.default_rng(4).standard_normal((32, n_dim))
        n = 6000 if vectorised else 2000
        _, spent = clock(walkers.run_mcmc, start, n)
        draws = walkers.get_chain()[n // 5 :].transpose(1, 0, 2)
        report(f"emcee, 32 walkers{', vectorised' * vectorised}", draws, spent)
    precision = jax.numpy.array(np.linalg.inv(cov))
    kernel = blackjax.additive_step_random_walk.normal_random_walk(
        lambda x: -0.5 * x @ precision @ x,
        jax.numpy.array(np.linalg.cholesky(cov) * 2.4 / np.sqrt(n_dim)),
    )

    @jax.jit
    def run(key: Any) -> Any:
        def one(state: Any, key: Any) -> Any:
            state, _ = kernel.step(key, state)
            return state, state.position

        first = kernel.init(jax.numpy.zeros(n_dim))
        return jax.lax.scan(one, first, jax.random.split(key, 200_000))[1]

    draws, spent = clock(lambda: np.asarray(run(jax.random.key(0))))
    report("blackjax, 1 chain, compile included", draws[None], spent)
    draws, spent = clock(lambda: np.asarray(run(jax.random.key(1))))
    report("blackjax, 1 chain, compiled", draws[None], spent)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--texts", type=Path, required=True, help="folder made by corpus.py")
    parser.add_argument("--passages", type=int, default=60, help="passages for each length")
    parser.add_argument("--letters", type=int, nargs="+", default=[60, 100, 200])
    parser.add_argument("--sources", nargs="+", default=["sotu", "moby"], choices=("sotu", "moby"))
    parser.add_argument("--seed", type=int, default=0, help="another one draws other passages")
    parser.add_argument("--only", choices=("decipher", "homophonic", "speed", "ess"))
    args = parser.parse_args()
    if args.only in (None, "speed"):
        bench_speed(args.texts)
    if args.only in (None, "ess"):
        bench_ess()
    if args.only in (None, "decipher"):
        bench_decipher(args.texts, args.passages, args.letters, args.sources, args.seed)
    if args.only in (None, "homophonic"):
        bench_homophonic(args.texts, args.passages, args.sources, args.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
