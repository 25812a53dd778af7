"""When the environment is brought up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import pytest

from setup.errors import DownloadError, SetupError
from setup.layout import Layout
from setup.python import layers
from setup.python.installer import pins as pins_of

if TYPE_CHECKING:
    from pathlib import Path


def test_a_copied_client_is_renewed_with_its_files_and_an_editable_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path / "prefix", tmp_path / "cache")
    layout.env.mkdir(parents=True)
    checkout = tmp_path / "checkout"
    (checkout / "azkaban_client").mkdir(parents=True)
    (checkout / "pyproject.toml").write_text("")
    module = checkout / "azkaban_client" / "one.py"
    module.write_text("1")
    monkeypatch.setattr(layers, "CHECKOUT", checkout)
    (layout.env / ".lock-base").write_text(layers._digest(layout, "base"))
    assert layers.current(layout)
    module.write_text("2")
    assert not layers.current(layout)
    (layout.env / ".lock-dev").write_text(layers._digest(layout, "dev"))
    (layout.env / ".lock-base").write_text(layers._digest(layout, "base"))
    module.write_text("3")
    assert layers.current(layout)
    assert layers.current(layout, "dev")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tell what an environment gets, instead of installing it."""
    calls: list[str] = []

    class Recorder:
        name = "nothing"

        def __init__(self, layout: Layout, *, keep: bool = True) -> None:
            self.layout = layout
            self.keep = keep

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def install(self, lock: Path, _python: Path) -> None:
            calls.append(lock.stem)

        def install_project(self, _folder: Path, _python: Path, *, editable: bool) -> None:
            calls.append("client, editable" if editable else "client")

        def check(self, _python: Path) -> str:
            return ""

    monkeypatch.setattr(layers, "Installer", Recorder)
    return calls


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout(tmp_path / "prefix", tmp_path / "cache")
    found.create(need=0)
    return found


def test_a_layer_is_added_once_and_brings_what_it_stands_on(
    layout: Layout, installed: list[str]
) -> None:
    layers.ensure(layout)
    assert installed == ["base", "client"]
    for _ in range(2):
        layers.ensure(layout, "routing")
    assert installed == ["base", "client", "jobs", "routing"]
    assert layers.present(layout) == ["base", "jobs", "routing"]
    layers.ensure(layout, "mysql")
    assert installed[4:] == ["mysql"]


def test_the_tools_of_a_checkout_hold_the_other_locks(layout: Layout, installed: list[str]) -> None:
    layers.ensure(layout, "dev")
    assert installed == ["dev", "client, editable"]
    layers.ensure(layout, "jobs", "mysql")
    assert installed == ["dev", "client, editable"]
    layers.ensure(layout, "browser")
    assert installed[2:] == ["browser"]


def test_layers_survive_a_change_of_locks_and_an_interruption(
    layout: Layout, installed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    layers.ensure(layout, "jobs")
    layers._record(layout, "jobs").write_text("an older lock's")
    layers.ensure(layout)
    assert installed == ["base", "client", "jobs", "jobs"]
    (layout.env / "of-the-user").touch()
    layers._record(layout, "base").write_text("an older lock's")
    with monkeypatch.context() as patch:
        patch.setattr(layers.program, "write", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            layers.ensure(layout)
    assert not layers._usable(layout)
    layers.ensure(layout)
    assert layers.present(layout) == ["base", "jobs"]
    assert installed[-3:] == ["base", "client", "jobs"]
    assert not (layout.env / "of-the-user").exists()  # made again from nothing


def test_a_layer_that_cannot_be_had_leaves_the_environment_as_it_was(
    layout: Layout, installed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And keeps what came before it, so that nothing else waits for the network."""
    layers.ensure(layout, "mysql")
    (layout.env / "of-the-user").touch()
    recorded = layers.Installer.install

    def install(self: layers.Installer, lock: Path, python: Path) -> None:
        if lock.stem == "routing":
            raise DownloadError("no network")
        recorded(self, lock, python)

    monkeypatch.setattr(layers.Installer, "install", install)
    with pytest.raises(DownloadError):
        layers.ensure(layout, "routing")
    assert layers.present(layout) == ["base", "jobs", "mysql"]
    assert all(layers.current(layout, name) for name in layers.present(layout))
    before = list(installed)
    layers.ensure(layout, "jobs")
    assert installed == before
    assert (layout.env / "of-the-user").exists()


@pytest.mark.parametrize(("fresh", "told"), [(True, False), (False, True)])
def test_packages_that_do_not_fit_are_an_error_in_a_new_environment_only(
    layout: Layout,
    installed: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    fresh: bool,
    told: bool,
) -> None:
    """In an older one a user may have added packages that want other versions."""
    if not fresh:
        layers.ensure(layout)
    monkeypatch.setattr(layers.Installer, "check", lambda *_: "a wants b")
    if told:
        layers.ensure(layout, "jobs")
        assert "packages that were added to it do not fit: a wants b" in capsys.readouterr().err
    else:
        with pytest.raises(SetupError, match="do not fit together: a wants b"):
            layers.ensure(layout)
    assert installed


def test_locks_agree_so_that_layers_never_change_one_another() -> None:
    found: dict[tuple[str, str], dict[str, str]] = {}
    for name in ("base", "jobs", "mysql", "onnx", "routing", "dev", "browser"):
        for line in (layers.LOCKS / f"{name}.txt").read_text().splitlines():
            if "==" in line and not line.startswith((" ", "#")):
                pin, _, marker = line.rstrip(" \\").partition(" ; ")
                package, _, version = pin.partition("==")
                found.setdefault((package, marker), {})[name] = version
    different = {key: names for key, names in found.items() if len(set(names.values())) > 1}
    assert different == {}
    assert len(found) > 100
    pins = {name: dict(pins_of(layers.LOCKS / f"{name}.txt")) for name in ("base", "jobs", "dev")}
    assert pins["base"].keys() | pins["jobs"].keys() <= pins["dev"].keys()
    numerical = {"numpy", "scipy", "scikit-learn", "matplotlib", "pillow", "mysql-connector-python"}
    assert not numerical & pins["base"].keys()
