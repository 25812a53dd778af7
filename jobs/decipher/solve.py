"""Decipher a substitution cipher by MCMC.

    python -m jobs.decipher.solve --input cipher.txt --output plain.txt
    echo 'Vjg uvcvg qh vjg Wpkqp ku uvtqpi ...' |
        python -m jobs.decipher.solve --input - --output -

Keys are drawn from their posterior under a language model of words, word bigrams and spelling; the
best one deciphers the text. Case, punctuation and all characters outside the model's
alphabet stay. With --spaces false the spaces are ignored, and every division of the text into words
counts. A homophonic cipher (numbers, or more symbols than there are letters) is recognised, and its
spaces do not matter either. Beside the output, the job's folder gets solution.npz: the key, the
posterior of every letter, and the log-probability of every chain at every step.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.job import InputError, Outputs, Run, job, param, write_text
from core.decipher import (
    CipherError,
    HomophonicText,
    Settings,
    Solution,
    check,
    decipher,
    decipher_homophonic,
    looks_homophonic,
)
from core.decipher.sureness import evenness
from jobs._files import read_text
from jobs._optional import need
from jobs.decipher._common import StoredSolution, load_model

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

    from core.decipher import CipherText, LanguageModel

__all__ = ["Params", "main"]


_LONG_WORDS = 12  # letters on average that the words of no text have
_GROUPS = (
    "decipher: WARNING: the spaces do not seem to part words; if so, "
    "decipher.solve.spaces=false reads more"
)


@dataclass(frozen=True, kw_only=True)
class Params:
    """What to decipher, and how to search."""

    input: str = param(doc="The ciphertext (UTF-8), - for standard input.")
    output: str | None = param(
        None, doc="Where the plaintext goes, - for standard output (default: the job folder)."
    )
    spaces: bool = param(
        True, doc="Whether spaces part words; if not, all that is no letter is passed over."
    )
    cipher: str = param(
        "auto",
        doc="simple: each letter has one symbol; homophonic: several, and what they are is found "
        "by running letters and words without spaces; auto tells by the number of symbols.",
        choices=("auto", "simple", "homophonic"),
    )
    lines: bool = param(False, doc="Every line is a ciphertext of its own, with its own key.")
    model: str = param(
        "",
        doc="Language models of jobs.decipher.model, separated by commas (empty: English); the one "
        "under which the text is most probable wins.",
    )
    known: str = param("", doc="Letters known beforehand, cipher=plain: x=e,q=t (or 12=e).")
    min_letters: int = param(28, doc="Shorter texts are refused.", ge=1)
    method: str = param(
        "tempering",
        doc="Plain Metropolis chains, or chains at several temperatures.",
        choices=("tempering", "metropolis"),
    )
    chains: int = param(8, doc="Independent chains.", ge=1)
    max_steps: int = param(
        8000,
        doc="Swaps proposed to each chain at most; five times as many in short texts without "
        "spaces.",
        ge=1,
    )
    agree: int = param(3, doc="Chains that must find the same best key to stop early.", ge=1)
    stream: int = param(
        0, doc="Which random numbers of the seed's: jobs side by side need different ones.", ge=0
    )
    draws: int = param(200, doc="Draws for the confidence of each letter.", ge=1)
    compiled: bool = param(
        False,
        doc="Compile the search with numba, which pays for long or many texts without spaces.",
    )


@job
def main(params: Params, run: Run) -> Outputs:
    """Read, check, sample, write."""
    to_stdout = params.output == "-"
    models = {
        name: load_model(Path(name) if name else None, "decipher.solve.model")
        for name in (part.strip() for part in params.model.split(","))
    }
    path = Path(params.output).expanduser() if params.output else run.dir / "plaintext.txt"
    if not path.parent.is_dir():
        raise InputError(
            f"decipher.solve.output = {params.output!r}: there is no folder {path.parent}"
        )
    if params.compiled:
        need("numba", "decipher.solve.compiled")
    parts = _ciphertexts(params, models)
    simple = [part for part in parts if not _is_homophonic(params, models, part)]
    _refuse_unused(params, homophonic=len(simple) < len(parts))
    if params.spaces and any(_in_groups(next(iter(models.values())), part) for part in simple):
        print(_GROUPS, file=sys.stderr)
    rng = run.rng.spawn(params.stream)[-1] if params.stream else run.rng
    solutions = [
        _solve(params, run, rng, models, part) if part.strip() else None
        for part in (parts if to_stdout or not params.lines else run.progress(parts, "texts"))
    ]
    _warn(solutions, lines=params.lines)
    plain = [found[1].plaintext if found else "" for found in solutions]
    out = "".join(f"{line}\n" for line in plain) if params.lines else plain[0]
    if to_stdout:
        sys.stdout.write(out)
        return {}
    write_text(path, out)
    if params.lines or not solutions[0]:
        return {"plaintext": path}
    return {"plaintext": path, **_store(params, run, *solutions[0])}


def _ciphertexts(params: Params, models: dict[str, LanguageModel]) -> list[str]:
    """Read the ciphertexts, and refuse unsuitable ones before any work."""
    text = read_text(params.input, "decipher.solve.input")
    parts = text.removesuffix("\n").split("\n") if params.lines else [text]
    for number, part in enumerate(parts, 1):
        where = f"decipher.solve.input = {params.input!r}" + (f", line {number}" * params.lines)
        if params.lines and not part.strip():
            continue  # an empty line stays one, so that lines keep their numbers
        try:
            _fitting(params, models, part)
            _known(params.known, homophonic=_is_homophonic(params, models, part))
        except CipherError as error:
            raise InputError(f"{where}: {error}") from None
    return parts


def _store(params: Params, run: Run, model: str, solution: Solution) -> Outputs:
    """Store a solution for reports, and return the outputs for later jobs."""
    path = run.dir / "solution.npz"
    homophonic = isinstance(solution.cipher, HomophonicText)
    StoredSolution.of(solution, "homophonic" if homophonic else params.method).save(path)
    return {
        "solution": path,
        "key": _key(solution),
        "model": model or "english",
        "log_probability": round(solution.log_probability, 3),
        "score": round(solution.score, 3),
        "usual_score": round(solution.usual.mean, 3),
        "sure": str(not solution.warnings).lower(),
        "agreed": solution.agreed,
        "proposals": solution.proposals,
    }


def _warn(solutions: list[tuple[str, Solution] | None], *, lines: bool) -> None:
    """Write on standard error the reasons to doubt each reading."""
    for number, found in enumerate(solutions, 1):
        for warning in found[1].warnings if found else ():
            where = f"line {number}: " if lines else ""
            print(f"decipher: WARNING: {where}{warning}", file=sys.stderr)


def _solve(
    params: Params, run: Run, rng: np.random.Generator, models: dict[str, LanguageModel], text: str
) -> tuple[str, Solution]:
    """Decipher into each possible language; return the most probable reading."""
    homophonic = _is_homophonic(params, models, text)
    settings = Settings(
        method="metropolis" if params.method == "metropolis" else "tempering",
        spaces=params.spaces and not (homophonic or _unparted(next(iter(models.values())), text)),
        n_chains=params.chains,
        max_steps=params.max_steps,
        agree=params.agree,
        n_draws=params.draws,
        min_letters=params.min_letters,
        compiled=params.compiled,
    )

    def progress(steps: range) -> Iterable[int]:
        quiet = params.lines or params.output == "-"
        return steps if quiet else run.progress(steps, "rounds")

    known = _known(params.known, homophonic=homophonic)
    search = decipher_homophonic if homophonic else decipher
    try:
        found = {
            name: search(
                _read(params, models, model, text),
                model,
                rng,
                settings=settings,
                known=known,
                progress=progress,
            )
            for name, model in _fitting(params, models, text).items()
        }
    except ValueError as error:
        raise InputError(f"decipher.solve.input = {params.input!r}: {error}") from None
    return max(found.items(), key=lambda item: item[1].log_probability / item[1].cipher.n_letters)


def _is_homophonic(params: Params, models: dict[str, LanguageModel], text: str) -> bool:
    """Tell whether several symbols of a text stand for one letter."""
    if params.cipher == "auto":
        return looks_homophonic(text, next(iter(models.values())).alphabet)
    return params.cipher == "homophonic"


def _read(
    params: Params, models: dict[str, LanguageModel], model: LanguageModel, text: str
) -> CipherText:
    """Read a ciphertext for one of the languages."""
    homophonic = _is_homophonic(params, models, text)
    return model.alphabet.read_homophonic(text) if homophonic else model.alphabet.read(text)


def _refuse_unused(params: Params, *, homophonic: bool) -> None:
    """Refuse what the search for homophonic ciphers has not."""
    if homophonic and params.method != "tempering":
        raise InputError(
            f"decipher.solve.method = {params.method!r}: homophonic ciphers have a search of their "
            "own: leave it out (or set cipher=simple)"
        )
    if homophonic and params.compiled:
        raise InputError(
            "decipher.solve.compiled = true: the search for homophonic ciphers needs no compiler: "
            "leave it out (or set cipher=simple)"
        )


def _fitting(
    params: Params, models: dict[str, LanguageModel], text: str
) -> dict[str, LanguageModel]:
    """Return the languages that a text may be in; raise CipherError if there are none."""
    fitting, refused = {}, None
    for name, model in models.items():
        try:
            check(_read(params, models, model, text), model, params.min_letters)
            fitting[name] = model
        except ValueError as error:
            refused = refused or error
    if not fitting and refused:
        raise CipherError(str(refused))
    if _is_homophonic(params, models, text):
        return fitting
    # Letters that are spread as in none of the languages are no reason to give up.
    alike = {
        name: model
        for name, model in fitting.items()
        if not evenness(model.alphabet.read(text), model)
    }
    return alike or fitting


def _unparted(model: LanguageModel, text: str) -> bool:
    """Tell whether a text in symbols has no spaces that could separate words."""
    cipher = model.alphabet.read(text)
    return bool(cipher.symbols) and cipher.n_letters > _LONG_WORDS * len(cipher.starts)


def _key(solution: Solution) -> str:
    """Return the plain letter of each letter of the alphabet; of symbols, symbol=letter."""
    letters, symbols = solution.cipher.alphabet.letters, solution.cipher.symbols
    plain = [letters[p - 1] for p in solution.key[1:].tolist()]
    if not symbols:
        return "".join(plain)
    return " ".join(f"{c}={p}" for c, p in zip(symbols, plain, strict=False))


def _in_groups(model: LanguageModel, text: str) -> bool:
    """Tell whether the spaces of a text are unlikely to separate words: equal groups, or none."""
    lengths = [len(word) for word in model.alphabet.words(text)]
    if len(lengths) > 5 and len(set(lengths[:-1])) == 1:
        return True
    return sum(lengths) > _LONG_WORDS * len(lengths)


def _known(text: str, *, homophonic: bool) -> dict[str, str]:
    known: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        cipher, equals, plain = item.partition("=")
        if not equals or not cipher or (len(cipher) > 1 and not homophonic) or len(plain) != 1:
            raise InputError(f"decipher.solve.known = {text!r}: {item!r} is not of the form x=e")
        name = cipher if homophonic else cipher.lower()
        if name in known:
            raise InputError(f"decipher.solve.known = {text!r}: {cipher!r} is given twice")
        known[name] = plain.lower()
    return known


if __name__ == "__main__":
    main.start()
