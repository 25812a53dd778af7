"""Nothing is sent to a server on this machine that another account runs, unless that is meant."""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from azkaban_client import errors, owners, state
from tests.stranger import UID, Stranger, as_another, disguised

OK = '{"session.id": "s1", "status": "success", "flows": [], "projectId": 3, "execid": 5}'


def _reachable(address: str) -> bool:
    try:
        socket.create_server((address, 0), family=socket.AF_INET6).close()
    except OSError:  # a machine without IPv6
        return False
    return True


# Where somebody listens, and where it is asked for.
ENDS = [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("0.0.0.0", "127.0.0.77")]
if _reachable("::1"):
    mapped = "::ffff:127.0.0.1"
    ENDS += [("::1", "::1"), ("::", "::1"), ("::", "127.0.0.1"), ("127.0.0.1", mapped)]


def _connected(stranger: Stranger, address: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection((address, stranger.port), timeout=10)


@pytest.mark.parametrize("accepts", [True, False])
@pytest.mark.parametrize("ends", ENDS, ids="-".join)
def test_the_owner_of_the_other_end_is_known(ends, accepts) -> None:
    """Whether it listens on one address or on all, and before the connection is accepted, too."""
    listens, asked = ends
    with (
        Stranger(accepts=accepts, address=listens) as stranger,
        _connected(stranger, asked) as connected,
    ):
        assert owners.owners(connected) == {UID}
        assert owners.is_here(connected.getpeername()[0])


def test_a_server_that_is_gone_is_nobody_s() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname(), timeout=10)
        peer, _ = server.accept()
    with ours:
        peer.close()
        assert ours.recv(1) == b""  # so that the end of it has arrived
        assert owners.owners(ours) == set()
        assert "belongs to no account of this machine" in owners.refusal(ours)


@pytest.mark.parametrize("wanted", ["127.0.0.1", "0.0.0.0"])
def test_who_has_taken_a_port_is_named(wanted, monkeypatch) -> None:
    with Stranger(os.geteuid()) as own:
        assert owners.taken_by(wanted, own.port) == "another program"
    disguised(monkeypatch)
    with Stranger() as stranger:
        expected = f"a program of {owners.described(UID)}"
        assert owners.taken_by(wanted, stranger.port) == expected


def test_another_machine_is_not_asked_about(monkeypatch) -> None:
    monkeypatch.setattr(owners, "is_here", lambda _: False)
    disguised(monkeypatch)
    with Stranger() as stranger, _connected(stranger) as connected:
        assert owners.refusal(connected) == ""


@pytest.mark.parametrize("tables", [("/nowhere",), ("/dev/null",)])
def test_where_the_kernel_does_not_tell_nothing_is_refused(tables, monkeypatch) -> None:
    monkeypatch.setattr(owners, "_TABLES", tables)
    disguised(monkeypatch)
    with Stranger() as stranger, _connected(stranger) as connected:
        assert owners.owners(connected) is None
        assert owners.refusal(connected) == ""


@pytest.mark.parametrize("accepts", [True, False])
def test_a_password_is_not_sent_to_another_account(connect, monkeypatch, accepts) -> None:
    disguised(monkeypatch)
    with Stranger(accepts=accepts) as stranger:
        client = connect(f"http://127.0.0.1:{stranger.port}")
        with pytest.raises(errors.WrongAccount) as caught:
            client.login()
        assert client.requests_made == 1  # it is not tried again
        assert stranger.heard() == (1, b"")
    for words in (
        owners.described(UID),
        owners.described(owners.os.geteuid()),
        f"127.0.0.1 port {stranger.port}",
        "--server-account NAME, or server_account in azk.toml",
    ):
        assert words in caught.value.message


def test_neither_is_a_session(connect, monkeypatch) -> None:
    from azkaban_client.auth import Login

    disguised(monkeypatch)
    with Stranger() as stranger:
        client = connect(f"http://localhost:{stranger.port}", auth=Login("u", session_id="secret"))
        with pytest.raises(errors.WrongAccount):
            client.execute("p", "f")
        assert stranger.heard()[1] == b""


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@pytest.mark.parametrize("given", ["number", "name"])
def test_a_server_of_the_account_that_was_named_is_spoken_to(connect, monkeypatch, given) -> None:
    disguised(monkeypatch)
    account = str(UID) if given == "number" else _name(UID)
    with Stranger() as stranger:
        client = connect(
            f"http://127.0.0.1:{stranger.port}", server_account=account, retries=0, timeout=20
        )
        with pytest.raises(errors.NetworkError, match="cut before the answer"):
            client.login()
        assert stranger.heard()[1].startswith(b"POST / ")


def test_a_server_of_another_account_than_the_one_that_was_named(connect) -> None:
    for account, words in (("4242", "not to the account 4242"), ("no-such", "no such account")):
        with Stranger() as stranger:
            url = f"http://127.0.0.1:{stranger.port}"
            with pytest.raises(errors.WrongAccount, match=words):
                connect(url, server_account=account).flows("p")
            assert stranger.heard()[1] == b""


@pytest.mark.parametrize("variable", ["", "AZK_EXTRA_CA_CERTS", "SSL_CERT_FILE"])
def test_a_certificate_proves_more_than_the_owner_unless_others_choose_whom_to_trust(
    connect, serve, answer, ca_cert, *, monkeypatch, tmp_path, variable
) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(Path(ca_cert).read_bytes())
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, str(ca))
    trusted = True if variable else str(ca)
    as_another(monkeypatch)
    server = serve(lambda _: answer(body=OK), tls=True)
    assert connect(server.url, verify=trusted, address="127.0.0.1").flows("p") == ()
    before = len(server.asked)
    with pytest.raises(errors.WrongAccount):
        connect(server.url, verify=False, address="127.0.0.1").flows("p")
    ca.chmod(0o666)
    with pytest.raises(errors.WrongAccount):
        connect(server.url, verify=trusted, address="127.0.0.1").flows("p")
    assert len(server.asked) == before


def test_an_address_of_another_account_gives_way_to_ones_own(
    connect, serve, answer, monkeypatch
) -> None:
    """A name that has two addresses, of which somebody has taken the first."""
    server = serve(lambda _: answer(body=OK))
    monkeypatch.setattr(
        owners,
        "refusal",
        lambda ours, _account: "taken" if ours.getpeername()[0] == "127.0.0.77" else "",
    )
    genuine = socket.getaddrinfo

    def both(host, port, *rest, **more) -> list[tuple]:
        found = ("127.0.0.77", "127.0.0.1") if host == "azkaban.test" else (host,)
        return [item for each in found for item in genuine(each, port, *rest, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with socket.create_server(("127.0.0.77", server.port)):
        client = connect(f"http://azkaban.test:{server.port}")
        assert client.flows("p") == ()
        assert client.address == "127.0.0.1"


def test_azk_login_exits_6_and_sends_nothing(azk, monkeypatch, tmp_path) -> None:
    disguised(monkeypatch)
    (tmp_path / "password").write_text("s3cret\n")
    with Stranger() as stranger:
        url = f"http://localhost:{stranger.port}"
        options = ["--url", url, "--user", "me", "--password-file", str(tmp_path / "password")]
        result = azk(*options, "login")
        assert result.code == 6
        assert result.err.startswith(f"azk: localhost:{stranger.port}: on this machine, ")
        assert "nothing was sent" in result.err
        assert stranger.heard()[1] == b""


def test_azk_takes_the_account_from_option_variable_and_file(azk, monkeypatch, tmp_path) -> None:
    (tmp_path / "azk.toml").write_text('url = "http://x:1"\nserver_account = "alice"\n')
    assert azk("config", "show", "--json").json["server_account"]["value"] == "alice"
    monkeypatch.setenv("AZK_SERVER_ACCOUNT", "bob")
    assert azk("config", "show", "--json").json["server_account"]["value"] == "bob"
    found = azk("--server-account", "carol", "config", "show", "--json").json["server_account"]
    assert found == {"value": "carol", "source": "option"}
    other = azk("--url", "http://y:1", "config", "show", "--json").json["server_account"]
    assert other["value"] == "bob"


def _stranger_s_project(tmp_path, mode: int) -> Path:
    """A folder below one that everybody may write in, with settings that somebody put there."""
    shared = tmp_path / "shared"
    (shared / "work").mkdir(parents=True)
    (shared / "azk.toml").write_text('url = "http://127.0.0.1:1"\n')
    (shared / "azk.toml").chmod(mode)
    return shared


@pytest.mark.parametrize(("mode", "what"), [(0o666, "azk.toml"), (0o644, "shared")])
def test_settings_that_others_could_have_written_are_not_used(
    azk, monkeypatch, tmp_path, mode, what
) -> None:
    shared = _stranger_s_project(tmp_path, mode)
    if what == "shared":
        shared.chmod(0o777)
    monkeypatch.chdir(shared / "work")
    result = azk("login")
    assert result.code == 2
    where = shared if what == "shared" else shared / what
    assert f"{shared}/azk.toml: {where} may be changed by" in " ".join(result.err.split())
    for words in ("AZK_TRUST=NAME", "AZK_CONFIG=FILE"):
        assert words in result.err
    own = tmp_path / "own.toml"
    own.write_text('url = "http://own:1"\n')
    monkeypatch.setenv("AZK_CONFIG", str(own))
    assert azk("config", "show", "--json").json["url"]["value"] == "http://own:1"


def test_settings_of_another_account_are_not_used_unless_it_is_trusted(
    azk, monkeypatch, tmp_path
) -> None:
    shared = _stranger_s_project(tmp_path, 0o644)
    monkeypatch.chdir(shared / "work")
    real = os.lstat

    def lstat(path, **options) -> object:
        found = real(path, **options)
        if options or Path(path) != shared / "azk.toml":
            return found
        return SimpleNamespace(st_mode=found.st_mode, st_gid=found.st_gid, st_uid=54321)

    monkeypatch.setattr(os, "lstat", lstat)
    result = azk("config", "show")
    assert result.code == 2
    assert "azk.toml belongs to the account 54321" in " ".join(result.err.split())
    monkeypatch.setenv("AZK_TRUST", "54321")
    assert azk("config", "show", "--json").json["url"]["value"] == "http://127.0.0.1:1"


def test_a_file_of_the_user_s_that_others_could_have_written(
    azk, caplog, monkeypatch, tmp_path
) -> None:
    """The configuration that AZK_CONFIG names, the usual one, the password, a kept session."""
    url = "http://127.0.0.1:1"
    config = tmp_path / "config/azk/config.toml"
    config.parent.mkdir(parents=True)
    named = tmp_path / "named.toml"
    for path, variable in ((config, ""), (named, str(named))):
        path.write_text(f'url = "{url}"\n')
        path.chmod(0o666)
        monkeypatch.setenv("AZK_CONFIG", variable)
        result = azk("config", "show")
        assert result.code == 2
        assert f"{path} may be changed by everybody" in " ".join(result.err.split())
        path.unlink()
    monkeypatch.delenv("AZK_CONFIG")
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    secret.chmod(0o622)
    with Stranger(os.geteuid()) as own:
        options = ("--url", f"http://127.0.0.1:{own.port}", "--user", "me")
        result = azk(*options, "--password-file", str(secret), "login")
        assert result.code == 2
        assert f"{secret} may be changed by everybody" in " ".join(result.err.split())
        assert own.heard() == (0, b"")
    state.remember(state.Saved(url, "me", "s1", "192.0.2.1"))
    kept = state.recall(url)
    assert kept is not None
    folder = tmp_path / "state/azk"
    folder.chmod(0o777)
    assert state.recall(url) is None
    assert f"is not used: {folder} may be changed by everybody" in caplog.text
    folder.chmod(0o700)
    assert state.recall(url) == kept
