"""The decipherment jobs as Azkaban runs them: python -m jobs.NAME, files in, files out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from azkaban_client.job import InputError
from core.decipher import ENGLISH, LanguageModel, build
from jobs.decipher import solve
from tests.jobs import process

ROOT = Path(__file__).parents[2]
PASSAGES = json.loads((ROOT / "core/decipher/data/passages.json").read_text("utf-8"))
ISHMAEL = PASSAGES["ishmael"]["text"]

LETTERS = "abcdefghijklmnopqrstuvwxyz"
GOLD_BUG = (
    "53‡‡†305))6*;4826)4‡.)4‡);806*;48†8¶60))85;1‡(;:‡*8†83(88)5*†;46(;88*96*?;8)*‡(;485);5*†2:*‡(;"
    "4956*2(5*-4)8¶8*;4069285);)6†8)4‡‡;1(‡9;48081;8:8‡1;48†85;4)485†528806*81(‡9;48;(88;4(‡?34;48)"
    "4‡;161;:188;‡?;"
)


def run(
    module: str, tmp_path: Path, stdin: str = "", env: dict[str, str] | None = None, **props: Any
) -> subprocess.CompletedProcess[str]:
    return process.run(module, {"output.dir": tmp_path / "runs", **props}, env, stdin)


def encipher(text: str, seed: int = 1) -> str:
    key = np.concatenate([[0], np.random.default_rng(seed).permutation(26) + 1])
    return ENGLISH.encode(text).decode(key)


def test_standard_input_to_standard_output(tmp_path: Path) -> None:
    done = run("decipher.solve", tmp_path, encipher(ISHMAEL), input="-", output="-")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ISHMAEL
    assert not done.stderr


def test_lines_are_deciphered_one_by_one_in_order(tmp_path: Path) -> None:
    texts = [" ".join(p["text"].split()[:40]) for p in PASSAGES.values()][:3]
    source, target = tmp_path / "in.txt", tmp_path / "out.txt"
    lines = [encipher(text, seed) for seed, text in enumerate(texts)]
    source.write_text("\n".join([lines[0], "", *lines[1:]]) + "\n", "utf-8")
    done = run("decipher.solve", tmp_path, input=source, output=target, lines="true")
    assert done.returncode == 0, done.stderr
    found = target.read_text("utf-8").splitlines()
    assert len(found) == 4
    assert found[1] == ""
    for plain, text in zip([found[0], *found[2:]], texts, strict=True):
        assert np.mean([a == b for a, b in zip(plain, text, strict=True)]) > 0.97


def test_symbols_without_spaces_are_read_and_doubts_are_said(tmp_path: Path) -> None:
    source = tmp_path / "bug.txt"
    source.write_text(GOLD_BUG, "utf-8")
    done = run("decipher.solve", tmp_path, input=source, output=tmp_path / "plain.txt", seed=1)
    assert done.returncode == 0, done.stderr
    assert "agoodglassinthebishopshostel" in (tmp_path / "plain.txt").read_text("utf-8")
    assert "decipher_solve.sure = true" in done.stdout
    solution = tmp_path / "runs/local/local/decipher_solve/solution.npz"
    reported = run("decipher.report", tmp_path, solution=solution)
    assert reported.returncode == 0, reported.stderr

    source.write_text("Sphinx of black quartz, judge my vow.", "utf-8")
    done = run("decipher.solve", tmp_path, input=source, output=tmp_path / "plain.txt", draws=20)
    assert done.returncode == 0, done.stderr
    assert "decipher: WARNING: it may not be a simple substitution cipher: index of" in done.stderr
    assert "decipher_solve.sure = false" in done.stdout


def test_other_ciphers_are_recognised_and_opened(tmp_path: Path) -> None:
    text = " ".join(ISHMAEL.split()[:60])
    plain = ENGLISH.encode(text)
    steps = np.array([LETTERS.index(c) for c in "whale"])
    shifted = plain.write((plain.codes - 1 + np.resize(steps, plain.n_letters)) % 26 + 1)
    done = run("decipher.identify", tmp_path, shifted, input="-", output="-")
    assert done.returncode == 0, done.stderr
    assert done.stdout == text
    assert done.stderr.strip() == "decipher: Vigenère, key whale"
    (tmp_path / "in.txt").write_text(shifted, "utf-8")
    done = run("decipher.identify", tmp_path, input=tmp_path / "in.txt")
    assert done.returncode == 0, done.stderr
    for line in ("cipher = vigenere", "key = whale", "sure = true"):
        assert f"decipher_identify.{line}" in done.stdout
    folder = tmp_path / "runs/local/local/decipher_identify"
    assert (folder / "plaintext.txt").read_text("utf-8") == text
    done = run("decipher.identify", tmp_path, input=tmp_path / "in.txt", cipher="caesar")
    assert done.returncode == 0, done.stderr
    assert "WARNING: " in done.stderr
    assert "decipher_identify.sure = false" in done.stdout
    noise = "".join(np.random.default_rng(0).choice(list(LETTERS), 120))
    for refused, message in (
        (encipher(text), "the shares of a substitution: decipher it with python -m jobs.decipher."),
        (" ", "the text is empty"),
        (GOLD_BUG, "written in symbols"),
        (noise, "try a longer max_period"),
    ):
        done = run("decipher.identify", tmp_path, refused, input="-", output="-")
        assert done.returncode == 2
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1


ZODIAC = ROOT / "docs/how-to/zodiac408.txt"


def test_the_cipher_of_zodiac_is_recognised_and_opened(tmp_path: Path) -> None:
    done = run("decipher.identify", tmp_path, input=ZODIAC)
    assert done.returncode == 2
    assert "54 symbols in a text of 408 look like a homophonic substitution: decip" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    done = run("decipher.solve", tmp_path, input=ZODIAC, seed=1)
    assert done.returncode == 0, done.stderr
    assert "decipher_solve.sure = true" in done.stdout
    folder = tmp_path / "runs/local/local"
    lines = (folder / "decipher_solve/plaintext.txt").read_text("utf-8").splitlines()
    assert [len(line) for line in lines] == [17] * 24
    assert lines[0] == "ilikekillingpeopl"
    text = "".join(lines)
    for words in ("thankillingwildgame", "iwillnotgiveyoumyname", "formyafterlife"):
        assert words in text
    solution = folder / "decipher_solve/solution.npz"
    done = run("decipher.report", tmp_path, solution=solution)
    assert done.returncode == 0, done.stderr
    page = (folder / "decipher_report/report.html").read_text("utf-8")
    for words in ("Decipherment of a homophonic cipher", "i like killing people", "9%P/Z/UB"):
        assert words in page


def test_numbers_for_letters_there_and_back(tmp_path: Path) -> None:
    done = process.outputs(run("decipher.encipher", tmp_path, passage="ishmael", symbols=40))
    source, truth = Path(done["decipher_encipher.cipher"]), done["decipher_encipher.truth"]
    numbers = source.read_text("utf-8").split()
    assert len(numbers) == 239
    assert {len(number) for number in numbers} == {2}
    assert 26 < len(set(numbers)) <= 40
    # The text can also be given as a ciphertext that is to be copied.
    copied = run("decipher.encipher", tmp_path, text=source, encipher="false", seed=9)
    assert process.outputs(copied)["decipher_encipher.letters"] == "239"
    key = f"{numbers[0]}=c,{numbers[1]}=a"
    done = process.outputs(run("decipher.solve", tmp_path, input=source, known=key))
    assert done["decipher_solve.key"].startswith(f"{numbers[0]}=c {numbers[1]}=a ")
    done = process.outputs(
        run("decipher.report", tmp_path, solution=done["decipher_solve.solution"], truth=truth)
    )
    assert float(done["decipher_report.recovered"]) > 0.97


def test_homophonic_ciphers_are_refused_what_they_have_not(tmp_path: Path) -> None:
    for props, message in (
        ({"method": "metropolis"}, "decipher.solve.method = 'metropolis': homophonic ciphers have"),
        ({"compiled": "true"}, "needs no compiler: leave it out"),
        ({"known": "%%=e"}, "known symbol '%%' is not in the text"),
    ):
        process.refused(run("decipher.solve", tmp_path, input=ZODIAC, **props), message)
    odd = run("decipher.solve", tmp_path, "123456 789", input="-", output="-")
    process.refused(odd, "an odd number of digits")
    few = run("decipher.encipher", tmp_path, symbols=20)
    process.refused(few, "symbols = 20: n_symbols = 20: must be an integer >= 26")


def test_symbols_that_are_known_have_names_of_any_length() -> None:
    known = solve._known
    assert known("12=E, %=b,a=c,A=d", homophonic=True) == {"12": "e", "%": "b", "a": "c", "A": "d"}
    assert known("X=E", homophonic=False) == {"x": "e"}
    for text, homophonic, message in (
        ("12=e", False, "'12=e' is not of the form x=e"),
        ("=e", True, "'=e' is not of the form x=e"),
        ("12=en", True, "'12=en' is not of the form x=e"),
        ("%=e,%=f", True, "'%' is given twice"),
        ("x=e,X=f", False, "'X' is given twice"),
    ):
        with pytest.raises(InputError, match=message):
            known(text, homophonic=homophonic)


def test_same_seed_same_cipher_other_seed_other_cipher(tmp_path: Path) -> None:
    texts = []
    for i, seed in enumerate((1, 1, 2)):
        folder = tmp_path / str(i)
        done = run("decipher.encipher", tmp_path, seed=seed, **{"output.dir": folder})
        assert done.returncode == 0, done.stderr
        texts.append((folder / "local/local/decipher_encipher/cipher.txt").read_text("utf-8"))
    assert texts[0] == texts[1] != texts[2]


def test_a_model_of_your_own_text(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    text = "Αυτό είναι ένα κείμενο, και αυτό είναι άλλο ένα κείμενο.\n"
    for name in "ab":
        (tmp_path / "texts" / f"{name}.txt").write_text(text * 3, "utf-8")
    done = run(
        "decipher.model", tmp_path, text=tmp_path / "texts", alphabet="auto",
        output=tmp_path / "greek.lm",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    model = LanguageModel.from_bytes((tmp_path / "greek.lm").read_bytes())
    assert "κείμενο" in model.index
    assert model.counts.sum() == 6 * 10
    assert "decipher_model.vocabulary = 6" in done.stdout


def test_the_language_is_found_among_several(tmp_path: Path) -> None:
    backwards = {name: entry["text"][::-1] for name, entry in PASSAGES.items()}
    model = tmp_path / "backwards.lm"
    model.write_bytes(build(" ".join(backwards.values()), ENGLISH, "backwards").to_bytes())
    source = tmp_path / "cipher.txt"
    for text, language in ((ISHMAEL, "english"), (backwards["ishmael"], str(model))):
        source.write_text(encipher(text), "utf-8")
        done = run(
            "decipher.solve", tmp_path, input=source, model=f",{model}",
            compiled="true",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert f"decipher_solve.model = {language}" in done.stdout
        plain = tmp_path / "runs/local/local/decipher_solve/plaintext.txt"
        assert plain.read_text("utf-8") == text


def test_bad_input_is_one_clear_line_and_exit_2(tmp_path: Path) -> None:
    paths = {}
    for name, data in {
        "empty": b"",
        "short": b"Xq zyx wvu",
        "latin": "caf\xe9 ".encode("latin-1") * 20,
        "cyrillic": "Съешь же ещё этих мягких французских булок".encode(),
        "good": encipher(ISHMAEL).encode(),
        "two": encipher(ISHMAEL).replace("\n", " ").encode() + b"\nAbc def\n",
        "cut": (ROOT / "core/decipher/data/english.lm").read_bytes()[:5000],
    }.items():
        paths[name] = tmp_path / name
        paths[name].write_bytes(data)
    good = {"input": paths["good"]}
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("decipher.solve", {}, "decipher.solve.input: required"),
        ("decipher.solve", {"input": tmp_path / "none"}, "No such file"),
        ("decipher.solve", {"input": paths["empty"]}, "the text is empty"),
        ("decipher.solve", {"input": paths["short"]}, "8 letters: at least 28 are needed"),
        ("decipher.solve", {"input": paths["latin"]}, "not UTF-8 (byte 3)"),
        ("decipher.solve", {"input": paths["cyrillic"]}, "not in the language model's alphabet"),
        ("decipher.solve", {**good, "model": paths["cut"]}, "language model is truncated"),
        ("decipher.solve", {**good, "model": paths["good"]}, "not a language model file"),
        ("decipher.solve", {**good, "output": tmp_path / "no" / "out"}, "there is no folder"),
        ("decipher.solve", {**good, "known": "ab"}, "'ab' is not of the form x=e"),
        ("decipher.solve", {**good, "known": "x=e,y=e"}, "a letter occurs twice"),
        ("decipher.solve", {**good, "chain": 3}, "did you mean decipher.solve.chains?"),
        ("decipher.solve", {**good, "method": "luck"}, "one of tempering, metropolis"),
        (
            "decipher.solve",
            {"input": paths["two"], "lines": "true"},
            "line 2: the text",
        ),
        ("decipher.encipher", {"passage": "x"}, "expected one of children"),
        ("decipher.encipher", {"text": paths["cyrillic"]}, "no letter of the alphabet"),
        ("decipher.model", {"text": paths["empty"]}, "has no word in the alphabet"),
        ("decipher.model", {"text": tmp_path / "none"}, "No such file"),
        ("decipher.model", {"text": paths["good"], "alphabet": "aab"}, "'a' occurs twice"),
        (
            "decipher.report",
            {"solution": paths["good"]},
            "a file that jobs.decipher.solve wrote",
        ),
    ]
    for module, props, message in cases:
        done = run(module, tmp_path, **props)
        assert done.returncode == 2, (module, props, done.stdout, done.stderr)
        assert message in done.stderr, (module, props, done.stderr)
        assert "Traceback" not in done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
    left = {p.name for p in tmp_path.rglob("*") if p.is_file() and p.parent != tmp_path}
    assert left == {"run.json", "report.html"}  # what went wrong, and nothing half-done


def test_report_refuses_the_truth_of_another_text(tmp_path: Path) -> None:
    source = tmp_path / "cipher.txt"
    source.write_text(encipher(ISHMAEL), "utf-8")
    done = run("decipher.solve", tmp_path, input=source, max_steps=5, draws=1)
    assert done.returncode == 0, done.stderr
    groups = tmp_path / "groups.txt"
    groups.write_text("abcde fghij klmno abcde abcab cabab ab", "utf-8")
    told = run("decipher.solve", tmp_path, input=groups, max_steps=1, output="-")
    assert "spaces do not seem to part words" in told.stderr
    solution = tmp_path / "runs/local/local/decipher_solve/solution.npz"
    other = tmp_path / "other.txt"
    other.write_text("Something else", "utf-8")
    done = run("decipher.report", tmp_path, solution=solution, truth=other)
    assert done.returncode == 2
    assert "13 letters, but the deciphered text has 239" in done.stderr
    done = run("decipher.report", tmp_path, solution=solution)
    assert done.returncode == 0, done.stderr
    assert "recovered" not in done.stdout


@pytest.mark.parametrize("module", ["solve", "encipher", "model", "report"])
def test_help_names_every_parameter(module: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"jobs.decipher.{module}", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--model MODEL" in done.stdout or "--text TEXT" in done.stdout
    assert "--seed SEED" in done.stdout


def test_a_text_without_spaces(tmp_path: Path) -> None:
    text = ENGLISH.fold(ISHMAEL)
    source = tmp_path / "cipher.txt"
    source.write_text(encipher(text), "utf-8")
    (tmp_path / "truth.txt").write_text(text, "utf-8")
    done = run("decipher.solve", tmp_path, input=source, spaces="false")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs/local/local"
    assert (folder / "decipher_solve/plaintext.txt").read_text("utf-8") == text
    done = run(
        "decipher.report",
        tmp_path,
        solution=folder / "decipher_solve/solution.npz",
        truth=tmp_path / "truth.txt",
    )
    assert done.returncode == 0, done.stderr
    assert "recovered 100.00%" in done.stdout
    assert "ishmael some years ago never mind how long" in (
        folder / "decipher_report/report.html"
    ).read_text("utf-8")
