"""What programs that set-up starts get of this process's environment."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from azkaban_client import authorities
from azkaban_client.config import ConfigError
from setup import environment
from setup.layout import CHECKOUT, Layout

if TYPE_CHECKING:
    from pathlib import Path

SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "s3cret",
    "JAVA_TOOL_OPTIONS": "-javaagent:/missing.jar",
    "LC_PASSWORD": "s3cret",
    "LD_PRELOAD": "/missing.so",
    "PIP_USER": "1",
    "PYTHONHOME": "/missing",
    "PYTHONWARNINGS": "error",
}
LOCALE = ("LANG", "LC_ALL", "LC_CTYPE", "LC_TIME")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path, tmp_path / "cache")


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Start from an environment without locale, proxies and certificates."""
    for name in list(os.environ):
        if name.startswith(("LC_", "SSL_", "AZK_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("LANG", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "NODE_EXTRA_CA_CERTS"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def in_container(code: str, **variables: str) -> str:
    """Run Python under a uid without an entry in the password file, and with no HOME and USER."""
    result = subprocess.run(
        ["unshare", "--user", "--map-user=23457", sys.executable, "-c", code],
        env={"PATH": "/usr/bin:/bin", **variables},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_servers_and_tools_get_no_secrets(given: pytest.MonkeyPatch, layout: Layout) -> None:
    for name, value in SECRETS.items():
        given.setenv(name, value)
    assert not SECRETS.keys() & environment.local().keys()
    assert not SECRETS.keys() & environment.tool(layout.temporary).keys()


def test_a_users_program_gets_all_but_pythons_own(given: pytest.MonkeyPatch) -> None:
    for name, value in (SECRETS | {"PYTHONHASHSEED": "7"}).items():
        given.setenv(name, value)
    got = environment.program({"SPARK_HOME": "/spark"})
    assert SECRETS.keys() - got.keys() == {"PYTHONHOME", "PYTHONWARNINGS"}
    assert (got["PYTHONHASHSEED"], got["SPARK_HOME"]) == ("7", "/spark")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "C.UTF-8"),
        ({"LANG": "C"}, "C.UTF-8"),
        ({"LANG": "xx_XX.UTF-8"}, "C.UTF-8"),  # installed nowhere, as another machine's over ssh
        ({"LANG": "C.UTF-8", "LC_TIME": "xx_XX.UTF-8"}, "C.UTF-8"),  # Java takes all or nothing
        ({"LC_ALL": "xx_XX.UTF-8", "LANG": "C.UTF-8"}, "C.UTF-8"),
        ({"LANG": "C.UTF-8"}, None),
        ({"LC_ALL": "C.UTF-8", "LANG": "xx_XX.UTF-8"}, "C.UTF-8"),  # stays
        ({"LC_CTYPE": "C.UTF-8"}, None),
    ],
)
def test_the_locale_is_one_that_works_here(
    given: pytest.MonkeyPatch, variables: dict[str, str], expected: str | None
) -> None:
    for name in LOCALE:
        given.delenv(name, raising=False)
    for name, value in variables.items():
        given.setenv(name, value)
    assert environment.local().get("LC_ALL") == expected
    assert environment.program().get("LC_ALL") == expected


def test_a_temporary_folder_that_is_gone_is_not_used(
    given: pytest.MonkeyPatch, layout: Layout, tmp_path: Path
) -> None:
    given.setenv("TMPDIR", str(tmp_path))
    assert environment.temporary(layout.prefix) == str(tmp_path)
    assert environment.local()["TMPDIR"] == str(tmp_path)
    given.setenv("TMPDIR", str(tmp_path / "gone"))
    assert environment.temporary(layout.prefix) == str(layout.prefix)
    assert "TMPDIR" not in environment.local()
    assert environment.tool(layout.temporary)["TMPDIR"] == str(layout.temporary)


def test_tools_speak_english(given: pytest.MonkeyPatch, layout: Layout) -> None:
    given.setenv("LANG", "C.UTF-8")
    given.setenv("LANGUAGE", "tr")
    got = environment.tool(layout.temporary)
    assert got["LC_ALL"] == "C.UTF-8"
    assert "LANGUAGE" not in got


def test_loopback_is_never_reached_through_a_proxy(
    given: pytest.MonkeyPatch, layout: Layout
) -> None:
    given.setenv("HTTPS_PROXY", "http://user:pass@proxy.corp.example:3128")
    given.setenv("no_proxy", "corp.example, 127.0.0.1")
    got = environment.tool(layout.temporary)
    assert got["HTTPS_PROXY"] == "http://user:pass@proxy.corp.example:3128"
    assert got["no_proxy"] == got["NO_PROXY"]
    assert got["no_proxy"].split(",")[:4] == ["corp.example", "127.0.0.1", "localhost", "::1"]
    assert environment.program()["no_proxy"] == got["no_proxy"]
    assert not {name for name in environment.local() if "proxy" in name.lower()}
    given.setenv("no_proxy", "*")
    assert environment.no_proxy()["NO_PROXY"] == "*"


def test_downloads_of_set_up_itself_see_the_same(given: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given.setenv("NO_PROXY", "corp.example")
    given.setenv("SSL_CERT_FILE", "/own.pem")
    before = dict(os.environ)
    with environment.downloading(tmp_path):
        assert os.environ["REQUESTS_CA_BUNDLE"] == os.environ["SSL_CERT_FILE"] != "/own.pem"
        assert os.environ["no_proxy"].startswith("corp.example,localhost,127.0.0.1")
    assert dict(os.environ) == before
    assert list(tmp_path.iterdir()) == []


def test_no_program_is_started_with_an_environment_that_was_not_chosen() -> None:
    missing = [
        f"{path.relative_to(CHECKOUT)}:{call.lineno}"
        for path in sorted((CHECKOUT / "setup").rglob("*.py"))
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and ast.unparse(call.func)
        in ("captured", "runs", "subprocess.run", "subprocess.Popen", "os.execvp", "os.execv")
        and "env" not in {keyword.arg for keyword in call.keywords}
    ]
    assert missing == []


def test_an_account_without_a_name_gets_one() -> None:
    code = "from setup import environment as e; print(e.user()); print(sorted(e.local().items()))"
    name, variables = in_container(code).splitlines()
    assert name == "user23457"
    assert "('HOME', '/')" in variables
    assert "('USER', 'user23457')" in variables
    assert "('HOME', '/home/me')" in in_container(code, HOME="/home/me")


def test_an_account_without_a_home_is_asked_for_a_prefix() -> None:
    code = "import sys; from setup.cli import main; sys.exit(main(['status', '--json']) != 1)"
    assert '"not installed"' in in_container(code)
    code = "from setup.cli import main; print(main(['doctor']))"
    assert in_container(code).split() == ["2"]


def test_the_client_needs_no_home() -> None:
    code = (
        "from azkaban_client import Client, state\n"
        "from azkaban_client.config import load\n"
        "Client('http://h:8081').close()\n"
        "print(load({})['url'], state.recall('http://h:8081'))"
    )
    assert in_container(code).split()[-1] == "None"


def test_one_list_of_authorities_is_named_to_each_tool(
    given: pytest.MonkeyPatch, layout: Layout, tmp_path: Path
) -> None:
    pem = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----"
    folder = tmp_path / "certs"
    folder.mkdir()
    (folder / "a.pem").write_text(f"# CN=Ä\n{pem.format('AAAA')}\r\n{pem.format('BBBB')}\n")
    (folder / "b.crt").write_bytes(pem.format("AAAA").replace("\n", "\r\n").encode())
    (tmp_path / "company.pem").write_text(pem.format("CCCC"))
    (tmp_path / "npm.pem").write_text(pem.format("DDDD"))
    (tmp_path / "pip.pem").write_text(pem.format("EEEE"))
    (tmp_path / "pip.conf").write_text(f"[global]\ncert = {tmp_path}/pip.pem\n")
    given.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    given.setenv("SSL_CERT_DIR", str(folder))
    given.setenv("AZK_EXTRA_CA_CERTS", str(tmp_path / "company.pem"))
    given.setenv("NODE_EXTRA_CA_CERTS", str(tmp_path / "npm.pem"))
    given.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    got = environment.tool(layout.temporary)
    places = {got[name] for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT")}
    assert places == {got["NODE_EXTRA_CA_CERTS"]} == {str(layout.temporary / "authorities.pem")}
    text = (layout.temporary / "authorities.pem").read_text()
    counts = [text.count(pem.format(word)) for word in ("AAAA", "BBBB", "CCCC", "DDDD", "EEEE")]
    assert counts == [1] * 5
    given.setenv("AZK_EXTRA_CA_CERTS", str(folder / "none.pem"))
    with pytest.raises(
        ConfigError, match=r"AZK_EXTRA_CA_CERTS=.*none\.pem: there is no certificate"
    ):
        authorities.certificates()


def test_a_company_s_authorities_are_kept_for_starts_without_the_variable(
    given: pytest.MonkeyPatch, layout: Layout, tmp_path: Path
) -> None:
    pem = "-----BEGIN CERTIFICATE-----\nCCCC\n-----END CERTIFICATE-----"
    own = tmp_path / "company.pem"
    own.write_text(pem)
    kept = layout.prefix / "extra-authorities.pem"

    def known(value: str | None) -> bool:
        given.delenv("AZK_EXTRA_CA_CERTS", raising=False)
        if value is not None:
            given.setenv("AZK_EXTRA_CA_CERTS", value)
        authorities.remember(layout.prefix)
        return "AZK_EXTRA_CA_CERTS" in os.environ and pem in authorities.certificates()

    assert not known(None)
    assert known(str(own))
    assert kept.stat().st_mode & 0o077 == 0
    own.unlink()
    assert known(None)
    assert known(None)
    authorities.remember(layout.prefix)  # by a program that this one started
    assert kept.read_text() == f"{pem}\n"
    given.setenv("AZK_EXTRA_CA_CERTS", str(own))
    authorities.remember(layout.prefix)  # refused where it is used; what was kept stays
    assert kept.is_file()
    given.setenv("AZK_EXTRA_CA_CERTS", "")
    authorities.remember(layout.prefix)
    assert not kept.exists()
    assert not known(None)
