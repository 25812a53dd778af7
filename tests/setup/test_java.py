"""Which Java is taken, and what is said of one that does not start."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from setup import java
from setup.errors import SetupError, UsageError
from setup.layout import CHECKOUT, Layout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def fake(tmp_path: Path) -> Callable[..., Path]:
    """Make a program that prints what a Java prints, or fails as one fails."""

    def make(name: str, *, version: str = "", words: str = "") -> Path:
        path = tmp_path / name / "bin" / "java"
        path.parent.mkdir(parents=True)
        said, code = (f'openjdk version "{version}"', 0) if version else (words, 1)
        path.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit {code}\n")
        path.chmod(0o755)
        return path

    return make


@pytest.mark.parametrize(
    "variable", ["JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH"]
)
def test_variables_that_break_java_do_not_reach_it(
    ours: Layout, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "-javaagent:/missing.jar")
    assert str(java.ensure(ours).program) == shutil.which("java")


def test_a_limit_of_the_shell_is_named_and_no_second_java_installed(ours: Layout) -> None:
    program = (
        "import sys; from setup import java; from setup.errors import SetupError\n"
        "from setup.layout import Layout; from pathlib import Path\n"
        "try: java.ensure(Layout(Path(sys.argv[1]), Path(sys.argv[1])))\n"
        "except SetupError as error: print(error)"
    )
    limit = 400 << 20
    result = subprocess.run(
        [sys.executable, "-c", program, str(ours.prefix)],
        cwd=CHECKOUT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "does not start: " in result.stdout, result.stderr
    assert "400 MB of address space (ulimit -v)" in result.stdout
    assert not ours.java.exists()


def test_options_that_java_refuses_are_shown_in_its_words(ours: Layout) -> None:
    found = java.ensure(ours)
    java.require(found, ["-Xmx512m"], "--heap")
    with pytest.raises(SetupError, match=r"does not start with -Xmx9000000g \(--heap\): .*heap"):
        java.require(found, ["-Xmx9000000g"], "--heap")


def test_the_words_of_a_java_that_does_not_start(
    ours: Layout,
    fake: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken = fake("broken", words="Error: could not find libjava.so")
    with pytest.raises(UsageError, match=r"is no working Java.* It says: Error: could not find"):
        java.ensure(ours, str(broken))
    monkeypatch.setenv("JAVA_HOME", str(broken.parents[1]))
    assert str(java.ensure(ours).program) == shutil.which("java")
    assert f"{broken} is not used, it does not start: Error: could" in capsys.readouterr().err


def test_what_was_named_is_kept_until_another_is_named(
    ours: Layout, fake: Callable[..., Path]
) -> None:
    named = fake("named", version="21.0.1")
    found = java.ensure(ours, str(named))
    assert java.kept(ours) == "auto"  # until a server takes it
    java.keep(ours, found)
    for _ in range(2):  # asked again, nothing changes
        again = java.ensure(ours)
        assert (again.program, again.version) == (named, "21.0.1")
        java.keep(ours, again)
    assert java.find(ours) == java.Java(named, "21.0.1")
    named.unlink()
    with pytest.raises(UsageError, match=r"--java .*, kept of an earlier start: .*--java auto"):
        java.ensure(ours)
    java.keep(ours, java.ensure(ours, "auto"))
    assert str(java.ensure(ours).program) == shutil.which("java")


def test_a_limit_of_processes_is_named(ours: Layout, fake: Callable[..., Path]) -> None:
    program = fake("full", words="OutOfMemoryError: unable to create native thread")
    with pytest.raises(UsageError, match=r"unable to create native thread.*\(ulimit -u\)"):
        java.ensure(ours, str(program))
