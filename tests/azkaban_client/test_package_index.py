"""Where packages come from: pip's settings, for pip and for uv, and nothing else that they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from azkaban_client.config import ConfigError
from azkaban_client.package_index import Index

if TYPE_CHECKING:
    from pathlib import Path

NONE = {"PIP_CONFIG_FILE": "/dev/null"}


@pytest.mark.parametrize(
    ("given", "uv", "pip"),
    [
        ("PIP_INDEX_URL=https://m/s", "UV_DEFAULT_INDEX=https://m/s", "PIP_INDEX_URL"),
        ("UV_DEFAULT_INDEX=https://m/s", "UV_DEFAULT_INDEX=https://m/s", "PIP_INDEX_URL"),
        ("UV_INDEX_URL=https://m/s", "UV_DEFAULT_INDEX=https://m/s", "PIP_INDEX_URL"),
        ("UV_INDEX=corp=https://m/s?a=b", "UV_INDEX=https://m/s?a=b", "PIP_EXTRA_INDEX_URL"),
        ("PIP_EXTRA_INDEX_URL=https://a https://b", "UV_INDEX=https://a https://b", ""),
        ("PIP_FIND_LINKS=https://a/x https://b/y", "UV_FIND_LINKS=https://a/x,https://b/y", ""),
        ("PIP_CLIENT_CERT=/c.pem", "SSL_CLIENT_CERT=/c.pem", ""),
        ("PIP_TRUSTED_HOST=a b:8", "UV_INSECURE_HOST=a b:8", ""),
        ("PIP_DEFAULT_TIMEOUT=7", "UV_HTTP_TIMEOUT=7", "PIP_TIMEOUT"),
        ("PIP_RETRIES=0", "UV_HTTP_RETRIES=0", ""),
        ("PIP_PROXY=http://u:p@h:1", "HTTPS_PROXY=http://u:p@h:1", ""),
        ("PIP_PROXY=http://u:p@h:1", "http_proxy=http://u:p@h:1", ""),
    ],
)
def test_a_setting_reaches_both(given: str, uv: str, pip: str) -> None:
    name, _, value = given.partition("=")
    variable, _, expected = uv.partition("=")
    environ = {"SSL_CERT_FILE": "/other.pem", name: value}
    found = Index.of({**NONE, **environ})
    assert found.for_uv(environ)[variable] == expected
    assert found.for_pip(environ)[pip or name] == value.removeprefix("corp=")


def test_a_part_of_a_second_is_a_whole_one_for_uv() -> None:
    found = Index.of({**NONE, "PIP_TIMEOUT": "2.5"})
    assert found.for_uv({})["UV_HTTP_TIMEOUT"] == "3"
    assert found.for_pip({})["PIP_TIMEOUT"] == "2.5"


@pytest.mark.parametrize(
    ("name", "value"),
    [("TIMEOUT", "soon"), ("TIMEOUT", "-1"), ("RETRIES", "2.5"), ("RETRIES", "²")],
)
def test_what_is_no_number_is_refused_by_name(name: str, value: str) -> None:
    found = Index.of({**NONE, f"PIP_{name}": value})
    for environment in (found.for_pip, found.for_uv):
        with pytest.raises(ConfigError, match=f"PIP_{name} or pip.conf.* is '{value}': expected"):
            environment({})


def test_what_would_change_what_is_installed_or_where_reaches_neither() -> None:
    names = (
        "PIP_USER PIP_TARGET PIP_REQUIRE_HASHES PIP_PRE PIP_REQUIREMENT PIP_CONSTRAINT PIP_PREFIX "
        "PIP_ROOT UV_CONSTRAINT UV_SYSTEM_PYTHON UV_CACHE_DIR UV_OFFLINE PYTHONPATH PYTHONHOME "
        "VIRTUAL_ENV CONDA_PREFIX"
    )
    given = {"HOME": "/h", "PIP_NO_INDEX": "", **dict.fromkeys(names.split(), "1")}
    found = Index.of({**NONE, **given})
    assert found.settings == {}
    assert found.for_uv(given) == {
        "HOME": "/h",
        "UV_HTTP_RETRIES": "2",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }
    assert found.for_pip(given) == {
        "HOME": "/h",
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_RETRIES": "2",
    }


def test_configuration_files_count_as_they_do_for_pip(tmp_path: Path) -> None:
    user = tmp_path / ".config" / "pip"
    user.mkdir(parents=True)
    (user / "pip.conf").write_text(
        "[global]\nindex-url = https://user/s\ntimeout = 5\nuser = yes\n"
        "[install]\nextra-index-url =\n  https://a/s\n  https://b/s\n"
    )
    named = tmp_path / "named.conf"
    named.write_text("[global]\nindex_url = https://named/s\nno-index = false\n")
    environ = {"HOME": str(tmp_path), "PIP_TIMEOUT": "9"}
    found = Index.of(environ).settings
    assert found["index-url"] == "https://user/s"
    assert found["extra-index-url"] == "https://a/s https://b/s"
    assert found["timeout"] == "9"
    assert "user" not in found
    found = Index.of({**environ, "PIP_CONFIG_FILE": str(named)}).settings
    assert found["index-url"] == "https://named/s"
    assert "no-index" not in found
    assert "index-url" not in Index.of({**environ, **NONE}).settings


def test_the_gathered_authorities_stand_for_those_that_pip_was_told() -> None:
    given = {"PIP_CERT": "/own.pem"}
    found = Index.of({**NONE, **given})
    gathered = {"PIP_CERT": "/all.pem", "SSL_CERT_FILE": "/all.pem"}
    assert found.settings["cert"] == "/own.pem"  # one of those that are gathered
    assert found.for_pip(gathered)["PIP_CERT"] == "/all.pem"
    assert found.for_uv(gathered)["SSL_CERT_FILE"] == "/all.pem"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('index-url = "https://m/s"', {"index-url": "https://m/s"}),
        ('[pip]\nindex-url = "https://m/s"\ntarget = "/t"\n', {"index-url": "https://m/s"}),
        (
            '[[index]]\nurl = "https://a/s"\n[[index]]\nurl = "https://m/s"\ndefault = true\n',
            {"index-url": "https://m/s", "extra-index-url": "https://a/s"},
        ),
        (
            'allow-insecure-host = ["h:8"]\nfind-links = ["/w"]\nno-binary = true\n',
            {"trusted-host": "h:8", "find-links": "/w"},
        ),
        ('index-url = 3\nextra-index-url = "https://a"\n', {"extra-index-url": "https://a"}),
        ("index = 5\npip = 6\nfind-links = [7]\n", {}),
        ('[[index]]\nname = "x"\n[[index]]\nurl = "https://b"\n', {"extra-index-url": "https://b"}),
    ],
)
def test_uv_s_configuration_files_count_in_the_same_way(
    tmp_path: Path, content: str, expected: dict[str, str]
) -> None:
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv" / "uv.toml").write_text(content)
    assert Index.of({**NONE, "XDG_CONFIG_HOME": str(tmp_path)}).settings == expected
    named = {"UV_CONFIG_FILE": str(tmp_path / "uv" / "uv.toml")}
    assert Index.of({**NONE, **named}).settings == expected
    pip = {"XDG_CONFIG_HOME": str(tmp_path), "PIP_INDEX_URL": "https://pip/s"}
    assert Index.of({**NONE, **pip}).settings["index-url"] == "https://pip/s"


@pytest.mark.parametrize(
    ("variable", "content", "words"),
    [
        ("PIP_CONFIG_FILE", b"index-url = x", "no section headers.*line: 1"),
        ("PIP_CONFIG_FILE", b"[global]\n\xff\xfe", "can't decode byte 0xff"),
        ("PIP_CONFIG_FILE", b"[global]\n= \n[global]", "already exists"),
        ("UV_CONFIG_FILE", b"index-url = ", "Invalid value"),
        ("UV_CONFIG_FILE", b"\xff", "can't decode byte 0xff"),
    ],
)
def test_a_damaged_configuration_file_is_named_before_anything_is_installed(
    tmp_path: Path, variable: str, content: bytes, words: str
) -> None:
    path = tmp_path / "settings"
    path.write_bytes(content)
    found = Index.of({**NONE, variable: str(path), "PIP_INDEX_URL": "https://m/s"})
    assert found.settings["index-url"] == "https://m/s"  # servers start all the same
    for environment in (found.for_pip, found.uncached().for_uv):
        with pytest.raises(ConfigError, match=f"{path}: .*{words}.*{variable}"):
            environment({})
    assert found.only(tmp_path).for_pip({})["PIP_NO_INDEX"] == "1"  # which needs no settings


def test_folders_of_wheels_are_those_that_are_there(tmp_path: Path) -> None:
    """uv stops at a folder that is not there; pip goes on."""
    there = tmp_path / "wheels"
    there.mkdir()
    places = f"{there} file://{there} {tmp_path}/none https://a/x"
    found = Index.of({**NONE, "PIP_FIND_LINKS": places})
    assert found.folders == [there, there]
    assert found.for_uv({})["UV_FIND_LINKS"] == f"https://a/x,{there},{there}"


def test_a_folder_alone_asks_no_index(tmp_path: Path) -> None:
    given = {"PIP_INDEX_URL": "https://m/s", "PIP_EXTRA_INDEX_URL": "https://m/t"}
    found = Index.of({**NONE, **given}).only(tmp_path)
    assert found.settings == {"no-index": "1", "find-links": str(tmp_path)}
    assert not {"UV_DEFAULT_INDEX", "UV_INDEX"} & found.for_uv({}).keys()
