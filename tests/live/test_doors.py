"""Nobody else gets in: the web's and the executor's ports, seen by an attacker."""

from __future__ import annotations

import contextlib
import http.client
import re
import stat
import time
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from azkaban_client import Client, errors
from setup.azkaban import Server
from setup.layout import Layout
from tests.live.attacker import COOKIE, Door, Tables, exchange, is_open, receive
from tests.live.conftest import LiveAzkaban
from tests.waiting import eventually

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

SERVERS = pytest.mark.parametrize("live", ["azkaban", "split"], ids=["http", "tls"])
QUESTION = "/manager?project=none&ajax=fetchprojectflows"
EVIL = "http://evil.example"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def server(live: str, request: pytest.FixtureRequest) -> LiveAzkaban:
    """The shared server of one kind: in one process over HTTP, or in several over TLS."""
    found = request.getfixturevalue(live)
    assert isinstance(found, LiveAzkaban)
    return found


@pytest.fixture
def door(server: LiveAzkaban) -> Door:
    return Door(server)


@pytest.fixture
def client(server: LiveAzkaban) -> Iterator[Client]:
    auth = (server.username, server.password)
    verify = str(server.layout.ca) if server.server.settings.tls else True
    with Client(server.url, auth=auth, address=server.address, verify=verify) as client:
        yield client


# -- another account ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return Tables(tmp_path_factory.mktemp("tables") / "net")


@pytest.fixture(scope="module")
def watched(tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAzkaban]:
    """A server that reads in our tables who has a connection, and has settings of its own."""
    prefix = tmp_path_factory.mktemp("watched") / "p"
    layout = Layout(prefix, LiveAzkaban.cache())
    layout.create(need=0)
    own = layout.azkaban / "conf" / "local.properties"
    own.parent.mkdir(parents=True)
    own.write_text(
        "portguard.names = laptop.example, other.example\nportguard.origins = proxy.example\n"
        "portguard.upload = 1\njetty.maxThreads = 12\n"
    )
    whole = Server._command

    def command(*arguments: Any) -> list[str]:
        program, *rest = whole(*arguments)
        return [
            program,
            f"-Dportguard.tables={tables.folder}",
            "-Dportguard.patience=5",
            "-Dportguard.connections=40",
            *rest,
        ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Server, "_command", command)
        live = LiveAzkaban(prefix)
    yield live
    live.stop()


def test_executor_refuses_processes_of_other_accounts(watched: LiveAzkaban, tables: Tables) -> None:
    door = Door(watched, executor=True)
    request = door.head("GET /executor?action=ping HTTP/1.1")
    with door.connect() as other, tables.owned_by_another(other):
        assert exchange(other, request).status == 403
    with door.connect() as own:
        assert "alive" in exchange(own, request).body


def test_a_stolen_session_is_no_use_to_another_account(
    watched: LiveAzkaban, tables: Tables
) -> None:
    """The cookie reaches every port of the host, so also that of somebody else."""
    door = Door(watched)
    session = door.session(watched)
    for line in (f"GET {QUESTION} HTTP/1.1", "GET /manager?project=none HTTP/1.1"):
        request = door.head(line, Cookie=f"{COOKIE}={session}", Connection="close")
        with door.connect() as own:
            good = exchange(own, request)
        with door.connect() as other, tables.owned_by_another(other):
            bad = exchange(other, request)
        assert ('"session"' in good.body, "login-form" in good.body) == (False, False), good
        assert '"session"' in bad.body or "login-form" in bad.body, bad
    in_form = f"session.id={session}&action=create&name=stolen&description=x".encode()
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    request = (
        door.head("POST /manager HTTP/1.1", Content_Length=str(len(in_form)), **form) + in_form
    )
    with door.connect() as other, tables.owned_by_another(other):
        assert "login-form" in exchange(other, request).body
    with door.connect() as own:
        assert "success" in exchange(own, request).body


def test_who_guesses_locks_out_nobody_but_his_own_account(
    watched: LiveAzkaban, tables: Tables
) -> None:
    door, words = Door(watched), []
    user, password = watched.username, watched.password
    for guess in [*(f"guess{number}" for number in range(12)), password]:
        form = f"action=login&username={user}&password={guess}".encode()
        kind = {"Content_Type": "application/x-www-form-urlencoded"}
        request = door.head("POST / HTTP/1.1", Content_Length=str(len(form)), **kind) + form
        with door.connect() as other, tables.owned_by_another(other):
            words.append(exchange(other, request).body)
    assert all("not found" in one.lower() or "incorrect" in one.lower() for one in words[:10])
    assert "Too many failed logins: try again in" in words[-1], "the right one comes too late"
    assert "success" in door.login(user, password).body, "the right user, elsewhere"
    log = watched.server.log("azkaban").read_text()
    assert re.search(rf"login of {user} from account 4242 failed, 10 times", log)
    assert "guess3" not in log


# -- slow and half-open clients ------------------------------------------------------------------


def _half_sent(door: Door) -> Iterator[socket.socket]:
    """Make 200 connections that have begun something, each in one of the known ways."""
    for number in range(200):
        kind = number % 4
        if kind == 0 and door.tls:
            one = door.plain()
            one.sendall(b"\x16\x03\x01\x02\x00\x01\x00")  # a handshake's first bytes
        elif kind == 1:
            one = door.connect()
            one.sendall(b"GET /index HTTP/1.1\r\nHost: ")
        else:
            one = door.connect()
            body = b"" if kind == 2 else b"action="
            form = {"Content_Type": "application/x-www-form-urlencoded"}
            one.sendall(door.head("POST / HTTP/1.1", Content_Length="60", **form) + body)
        yield one


@SERVERS
def test_two_hundred_slow_clients_keep_nobody_out(
    door: Door, server: LiveAzkaban, client: Client
) -> None:
    slow = list(_half_sent(door))
    try:
        assert client.projects() is not None
        assert door.login(server.username, server.password).status == 200
        held = sum(is_open(one) for one in slow)
        assert held == len(slow), "they were there all the time"
    finally:
        for one in slow:
            one.close()


def test_the_oldest_connections_give_way_to_new_ones(watched: LiveAzkaban) -> None:
    door = Door(watched)
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(door.plain()) for _ in range(60)]
        assert '"success"' in door.login(watched.username, watched.password).body
        while any(map(is_open, idle[:20])):
            time.sleep(0.01)
        assert all(map(is_open, idle[-10:])), "they gave way, nobody was cut off for waiting"


def test_who_never_comes_to_the_end_is_cut_off(watched: LiveAzkaban) -> None:
    door = Door(watched)
    form = {"Content_Type": "application/x-www-form-urlencoded", "Content_Length": "6000"}
    begun = (
        *(b"", _upload(door, watched, 900_000)[:100_000]),
        *(b"GET /index?", b"GET / HTTP/1.1\r\nX: ", door.head("POST / HTTP/1.1", **form)),
    )
    with contextlib.ExitStack() as stack:
        dripping = [stack.enter_context(door.plain()) for _ in begun]
        for one, start in zip(dripping, begun, strict=True):
            one.sendall(start)
        for _ in range(300):
            time.sleep(0.1)
            for one in filter(is_open, dripping[2:]):
                with contextlib.suppress(ConnectionError):
                    one.sendall(b"a")
            if not any(map(is_open, dripping)):
                break
        assert not any(map(is_open, dripping))


def test_uploads_that_stall_hold_no_thread(watched: LiveAzkaban) -> None:
    """Of users who have logged in; the server has 12 threads."""
    door = Door(watched)
    request = _upload(door, watched, 300_000)
    with contextlib.ExitStack() as stack:
        stalled = [stack.enter_context(door.plain()) for _ in range(20)]
        for one in stalled:
            one.sendall(request[:100_000])
        assert '"success"' in door.login(watched.username, watched.password).body
        for one in stalled[:2]:
            one.sendall(request[100_000:])
            assert "doesn't exist" in receive(one).body, "the project: it was read to its end"
        assert all(map(is_open, stalled[2:])), "they were there all the time"


@SERVERS
def test_a_form_in_pieces_is_handled_when_it_is_whole(door: Door, server: LiveAzkaban) -> None:
    form = f"action=login&username={server.username}&password={server.password}".encode()
    kind = {"Content_Type": "application/x-www-form-urlencoded"}
    head = door.head("POST / HTTP/1.1", Content_Length=str(len(form)), **kind)
    with door.connect() as one:
        for _ in range(2):  # the second over the same connection
            one.sendall(head + form[:1])
            for place in range(1, len(form) - 1, 9):
                one.sendall(form[place : place + 9])
            one.sendall(form[1 + 9 * len(range(1, len(form) - 1, 9)) :])
            assert '"success"' in receive(one).body
        chunks = b"".join(b"%x\r\n%s\r\n" % (1, bytes([byte])) for byte in form) + b"0\r\n\r\n"
        head = door.head("POST / HTTP/1.1", Transfer_Encoding="chunked", **kind)
        assert '"success"' in exchange(one, head + chunks).body


# -- uploads ------------------------------------------------------------------------------------

BOUNDARY = "x" * 30
MULTIPART = {"Content_Type": f"multipart/form-data; boundary={BOUNDARY}"}


def _field(name: str, value: str) -> bytes:
    return (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
    ).encode()


def _file(content: bytes, name: str = "p.zip") -> bytes:
    return (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/zip\r\n\r\n"
    ).encode() + content


END = f"\r\n--{BOUNDARY}--\r\n".encode()


def _upload(door: Door, server: LiveAzkaban, size: int) -> bytes:
    """Write an upload into a project that is not there."""
    fields = _field("ajax", "upload") + _field("project", "nowhere") + _file(bytes(size)) + END
    cookie = f"{COOKIE}={door.session(server)}"
    head = door.head(
        "POST /manager HTTP/1.1", Cookie=cookie, Content_Length=str(len(fields)), **MULTIPART
    )
    return head + fields


def _in_temp(server: LiveAzkaban) -> int:
    """Count the bytes of uploads that lie about."""
    temp = server.server.home / "temp"
    found = [path.lstat() for path in temp.rglob("*")]
    return sum(one.st_size for one in found if stat.S_ISREG(one.st_mode))


@SERVERS
def test_an_upload_without_a_login_is_refused_before_it_is_stored(
    door: Door, server: LiveAzkaban
) -> None:
    before = _in_temp(server)
    wrong = {"Cookie": f"{COOKIE}=00000000-0000-0000-0000-000000000000"}
    fields = _field("ajax", "upload") + _field("project", "x")
    for more, headers in ((b"", {}), (b"", wrong), (_field("session.id", "0-0"), {})):
        head = door.head(
            "POST /manager HTTP/1.1", Content_Length="400000000", **MULTIPART, **headers
        )
        with door.connect() as one:
            one.sendall(head + fields + more + _file(b"PK" * 500_000))
            answer = receive(one)
            assert answer.body.startswith("Login error. Need username and password"), answer
            assert _in_temp(server) <= before


@SERVERS
def test_an_upload_has_a_length_and_a_largest_size(door: Door, server: LiveAzkaban) -> None:
    cookie = {"Cookie": f"{COOKIE}={door.session(server)}", **MULTIPART}
    start = _field("ajax", "upload") + _file(b"PK" * 50_000)
    with door.connect() as one:
        head = door.head("POST /manager HTTP/1.1", Content_Length=str(2 << 30), **cookie)
        answer = exchange(one, head + start)
        assert (answer.status, "this server takes 1024 MB" in answer.body) == (413, True)
    with door.connect() as one:
        head = door.head("POST /manager HTTP/1.1", Transfer_Encoding="chunked", **cookie)
        answer = exchange(one, head + b"%x\r\n%s\r\n" % (len(start), start))
        assert (answer.status, "Content-Length" in answer.body) == (411, True)


@SERVERS
def test_an_upload_may_bring_its_session_in_a_field(
    door: Door, server: LiveAzkaban, client: Client, tmp_path: Path
) -> None:
    """As Azkaban's documentation has it, with curl."""
    client.create_project("by-field")
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.job", "type=noop\n")
        archive.writestr("data", bytes(range(256)) * 1000)
    names = {"session.id": door.session(server), "ajax": "upload", "project": "by-field"}
    fields = b"".join(_field(name, value) for name, value in names.items())
    body = fields + _file(path.read_bytes()) + END
    answer = door.ask("POST /manager", body, **MULTIPART)
    assert '"version":"1"' in answer.body.replace(" ", ""), answer
    late = _file(path.read_bytes()) + b"\r\n" + fields[:-2] + END

    def refused() -> str:
        try:
            return door.ask("POST /manager", late, **MULTIPART).body
        except OSError:  # the rest of it did not come for half a second: the machine is busy
            return ""

    assert "send the session before the file" in eventually(refused)
    assert tuple(client.flows("by-field")) == ("a",)


@SERVERS
def test_the_name_of_an_upload_leads_nowhere(
    door: Door, server: LiveAzkaban, client: Client
) -> None:
    client.create_project("by-name")
    cookie = {"Cookie": f"{COOKIE}={door.session(server)}", **MULTIPART}
    fields = _field("ajax", "upload") + _field("project", "by-name")
    for name in ("../../escaped.zip", "/escaped.zip", ".."):
        answer = door.ask("POST /manager", fields + _file(b"PK", name) + END, **cookie)
        assert (answer.status, "is no name" in answer.body) == (400, True), answer
    assert not list(server.layout.prefix.rglob("escaped.zip"))


def _zip(path: Path, **entries: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.job", "type=noop\n")
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            mode = stat.S_IFLNK | 0o777 if name.startswith("link") else stat.S_IFREG | 0o644
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return path


def _lying(path: Path) -> Path:
    """Make a bomb that states to be small."""
    _zip(path, zeros=bytes(150 << 20))
    data = path.read_bytes().replace((150 << 20).to_bytes(4, "little"), (9).to_bytes(4, "little"))
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("live", "kind", "words"),
    [
        ("azkaban", "slip", "leads out of the folder"),
        ("azkaban", "link", "is a link"),
        ("azkaban", "bomb", "unpacks to"),
        ("azkaban", "lying", "unpacks to|invalid entry size"),
        ("split", "slip", "leads out of the folder"),  # one shows that it is the same there
    ],
)
def test_zips_that_are_attacks(
    server: LiveAzkaban,
    client: Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    words: str,
) -> None:
    path = tmp_path / "p.zip"
    made = {
        "slip": lambda: _zip(path, **{"../../escaped": b"x"}),
        "link": lambda: _zip(path, link=b"/etc/passwd"),
        "bomb": lambda: _zip(path, zeros=bytes(150 << 20)),
        "lying": lambda: _lying(path),
    }[kind]()
    client.create_project(f"attack-{kind}")
    before = sorted(server.layout.prefix.rglob("temp/*"))
    if kind != "lying":
        with pytest.raises(errors.InvalidProject, match=words):
            client.upload(f"attack-{kind}", made)  # azk sees it first
    monkeypatch.setattr("azkaban_client._projects.members", lambda _: {})
    with pytest.raises(errors.AzkabanError, match=words):
        client.upload(f"attack-{kind}", made)
    assert sorted(server.layout.prefix.rglob("temp/*")) == before, "nothing is left"
    assert not list(server.layout.prefix.rglob("escaped"))


# -- other pages, other names --------------------------------------------------------------------


@SERVERS
def test_scripts_and_other_sites_get_no_cookie(door: Door, server: LiveAzkaban) -> None:
    [cookie] = door.login(server.username, server.password).headers("Set-Cookie")
    parts = set(cookie.split("; ")[1:])
    assert parts == {"HttpOnly", "SameSite=Strict", *(["Secure"] if door.tls else [])}, cookie


@SERVERS
def test_headers_of_every_page(door: Door, server: LiveAzkaban) -> None:
    bridged = server.server.program.stock  # another test may have given it a distribution
    for path in ("/", "/js/console/index.html", "/index", "/nosuch", "/manager?project=p"):
        answer = door.ask(f"GET {path}")
        assert answer.headers("X-Content-Type-Options") == ["nosniff"]
        assert answer.headers("X-Frame-Options") == ["DENY"]
        (policy,) = answer.headers("Content-Security-Policy")
        assert "frame-ancestors 'none'" in policy
        assert ("script-src 'self';" in policy) == (bridged and not path.startswith("/js/"))
        assert answer.headers("Referrer-Policy") == ["same-origin"]
        # It would hold for all ports of the host, so also for other programs' pages.
        assert answer.headers("Strict-Transport-Security") == []


FOREIGN = [
    {"Origin": EVIL},
    {"Origin": "null"},
    {"Referer": f"{EVIL}/page"},
    {"Referer": "http://{host}:1/page"},
    {"Origin": "{scheme}://{host}:1"},
    {"Referer": "{scheme}://{name}.evil.example/"},
    {"Referer": "{scheme}://{name}@evil.example/"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"User_Agent": BROWSER},
]


# Over TLS only what depends on it: the scheme of a page's own name.
@pytest.mark.parametrize(
    ("live", "headers"),
    [
        *(pytest.param("azkaban", one, id=f"http-{','.join(one)}") for one in FOREIGN),
        *(pytest.param("split", one, id="tls") for one in FOREIGN if "{scheme}" in str(one)),
    ],
)
def test_what_another_page_asks_for_is_not_done(
    door: Door, server: LiveAzkaban, client: Client, headers: dict[str, str]
) -> None:
    given = {
        key: value.format(host=door.host, name=door.name, scheme=door.scheme)
        for key, value in headers.items()
    }
    cookie = {"Cookie": f"{COOKIE}={door.session(server)}", **given}
    if not any(project.name == "doors-kept" for project in client.projects()):
        client.create_project("doors-kept")
    lines = ["GET /manager?project=doors-kept&delete=true", "GET /executor?ajax=getRunning",
             "GET /manager?project=doors-kept&%61jax=fetchprojectflows", "GET /?logout",
             "HEAD /manager?project=doors-kept&delete=true"]  # fmt: skip
    for line in lines:
        answer = door.ask(line, **cookie)
        assert answer.status == 403, (line, answer)
    if "User_Agent" not in headers:
        form = {"Content_Type": "application/x-www-form-urlencoded"}
        body = b"action=create&name=forged&description=x"
        assert door.ask("POST /manager", body, **cookie, **form).status == 403
        assert door.login(server.username, server.password, **given).status == 403
    names = [project.name for project in client.projects()]
    assert "doors-kept" in names
    assert "forged" not in names


@SERVERS
def test_a_link_on_another_page_leads_to_the_page_that_anybody_sees(
    door: Door, server: LiveAzkaban, client: Client
) -> None:
    cookie = {"Cookie": f"{COOKIE}={door.session(server)}", "Referer": f"{EVIL}/wiki"}
    assert "login-form" in door.ask("GET /manager?project=doors-kept", **cookie).body
    navigation = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert "login-form" in door.ask("GET /manager?project=doors-kept", **cookie, **navigation).body
    assert door.ask("GET /js/console/index.html", **cookie).status == 200


OWN = [
    {},
    {"Origin": "{scheme}://{name}"},
    {"Referer": "{scheme}://{name}/js/console/index.html?a=|b", "User_Agent": BROWSER},
    {"Sec_Fetch_Site": "same-origin", "User_Agent": BROWSER},
    {"Sec_Fetch_Site": "none", "User_Agent": BROWSER},
    {"X_Requested_With": "XMLHttpRequest", "User_Agent": BROWSER},
    {"User_Agent": "curl/8.5.0"},
]


@SERVERS
def test_what_our_own_page_or_a_program_asks_for_is_done(door: Door, server: LiveAzkaban) -> None:
    session = door.session(server)
    for headers in OWN:
        given = {
            key: value.format(name=door.name, scheme=door.scheme) for key, value in headers.items()
        }
        cookie = {"Cookie": f"{COOKIE}={session}", **given}
        answer = door.ask(f"GET {QUESTION}", **cookie)
        assert (answer.status, '"session"' in answer.body) == (200, False), (headers, answer)


@pytest.mark.parametrize(
    ("live", "executor"),
    [("azkaban", False), ("azkaban", True), ("split", False)],
    ids=["http", "executor", "tls"],
)
def test_the_name_that_is_called_must_be_its_own(server: LiveAzkaban, *, executor: bool) -> None:
    door = Door(server, executor=executor)
    line = "GET /executor?action=ping" if executor else "GET /index"
    own = [door.host, "localhost", "127.0.0.1", door.address, "[::1]", f"{door.host}.", "LOCALHOST"]
    for name in own:
        answer = door.ask(line, Host=f"{name}:9000")  # as through a tunnel
        assert answer.status == 200, (name, answer)
    for name in ("evil.example", "127.0.0.1.evil.example", "203.0.113.9", "localhost.evil.example"):
        assert door.ask(line, Host=f"{name}:{door.port}").status == 403, name
        twice = {"Host": f"{door.name}\r\nHost: {name}"}
        assert door.ask(line, **twice).status == 403, name
        assert door.ask(f"{line.replace('/', f'http://{name}/', 1)}").status == 403, name


@pytest.mark.parametrize("name", ["[::1]", "[::ffff:127.0.0.1]", "[::1]:9000"])
def test_an_address_of_ip_6_is_led_to_the_console(name: str, azkaban: LiveAzkaban) -> None:
    door = Door(azkaban)
    cookie = f"{COOKIE}={door.session(azkaban)}"
    answer = door.ask("GET /", Host=name, Cookie=cookie)
    assert (answer.status, answer.headers("Location")) == (
        302,
        [f"http://{name}/js/console/index.html"],
    )


def test_names_and_limits_of_ones_own(watched: LiveAzkaban) -> None:
    door = Door(watched)
    session = {"Cookie": f"{COOKIE}={door.session(watched)}"}
    for name in ("laptop.example:8443", "other.example", "proxy.example"):
        assert door.ask("GET /index", Host=name).status == 200, name
    for origin in ("https://proxy.example", "http://proxy.example:8080"):
        answer = door.ask(f"GET {QUESTION}", **session, Origin=origin, Sec_Fetch_Site="same-site")
        assert answer.status == 200
    assert door.ask(f"GET {QUESTION}", **session, Origin="http://laptop.example").status == 403
    answer = door.ask("POST /manager", _file(bytes(2 << 20)) + END, **session, **MULTIPART)
    assert (answer.status, "takes 1 MB" in answer.body) == (413, True)


def test_the_executor_serves_no_page(azkaban: LiveAzkaban) -> None:
    door = Door(azkaban, executor=True)
    for headers in ({"Origin": EVIL}, {"Referer": EVIL}, {"Sec_Fetch_Site": "same-site"}):
        assert door.ask("GET /executor?action=ping", **headers).status == 403
    assert door.ask("TRACE /executor").status == 405


def test_the_log_holds_no_session(azkaban: LiveAzkaban) -> None:
    session = Door(azkaban).session(azkaban)
    answer = Door(azkaban).ask("GET /index", Cookie=f"{COOKIE}={session}")
    assert answer.status == http.client.OK
    assert session not in azkaban.server.log("azkaban").read_text()
