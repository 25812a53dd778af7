"""Several people on one running server: who may log in, what for, and when a session ends."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import requests

from azkaban_client import Bundle, Client, errors
from azkaban_client.files import write_private
from setup import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.live.conftest import LiveAzkaban

PASSWORD = "schön & geheim <1>"
FILES = {"one.job": b"type=command\ncommand=echo one\n"}


@pytest.fixture
def file(azkaban: LiveAzkaban) -> Iterator[Path]:
    """The users of the shared server, which are afterwards as they were."""
    path = azkaban.server.home / "conf" / "azkaban-users.xml"
    before = path.read_bytes()
    yield path
    write_private(path, before)


@pytest.fixture
def users(azkaban: LiveAzkaban, file: Path, tmp_path: Path) -> Callable[..., None]:
    """Run `setup users` beside the running server."""
    secret = tmp_path / "password"

    def run(*arguments: str, password: str = "") -> None:
        given = ["--password-file", str(secret)] if password else []
        secret.write_text(f"{password}\n", encoding="utf-8")
        prefix = ["--prefix", str(azkaban.layout.prefix)]
        assert cli.main(["users", *arguments, *given, *prefix]) == 0

    return run


class Browser:
    """Somebody who keeps one session and never logs in again."""

    def __init__(self, azkaban: LiveAzkaban, name: str, password: str, **headers: str) -> None:
        self.base = f"http://{azkaban.address}:{azkaban.server.settings.port}/"
        form = {"action": "login", "username": name, "password": password}
        self.session = requests.Session()
        self.session.headers.update(headers)
        self.answer = self.session.post(self.base, data=form, timeout=20).json()

    @property
    def inside(self) -> bool:
        """Whether the session is accepted."""
        found = self.ask("manager?ajax=fetchprojectflows&project=none")
        return found.get("error") != "session"

    def ask(self, path: str) -> Any:
        """Call the API."""
        return json.loads(self.session.get(self.base + path, timeout=20).content or b"{}")


def client(azkaban: LiveAzkaban, name: str, password: str = PASSWORD) -> Client:
    return Client(azkaban.url, auth=(name, password), address=azkaban.address, retries=0)


@pytest.fixture
def project(azkaban: LiveAzkaban) -> Iterator[str]:
    """A project of the administrator."""
    with client(azkaban, azkaban.username, azkaban.password) as admin:
        admin.create_project("theirs", "of the administrator")
        with Bundle(FILES).temporary() as archive:
            admin.upload("theirs", archive)
        yield "theirs"
        admin.delete_project("theirs")


def test_a_user_is_added_to_a_running_server_and_removed(
    azkaban: LiveAzkaban, users: Callable[..., None], project: str
) -> None:
    name = "o'brien <&\"ä>"
    early = Browser(azkaban, name, PASSWORD)
    assert "Username/Password not found" in early.answer["error"]
    users("add", name, password=PASSWORD)
    assert not Browser(azkaban, name, PASSWORD + " ").inside
    with client(azkaban, name) as ours:
        ours.create_project("mine", "of a user without a role")
        with Bundle(FILES).temporary() as archive:
            ours.upload("mine", archive)
        assert ours.flows("mine") == ("one",)
        with pytest.raises(errors.PermissionDenied):
            ours.flows(project)
        with pytest.raises(errors.PermissionDenied, match="Need READ access"):
            ours.execute(project, "one")
        with client(azkaban, azkaban.username, azkaban.password) as admin:
            admin.grant(project, name, ["read"])
        assert ours.flows(project) == ("one",)
        ours.delete_project("mine")
    session = Browser(azkaban, name, PASSWORD)
    assert session.inside
    users("remove", name)
    assert not session.inside
    assert "error" in Browser(azkaban, name, PASSWORD).answer


def test_roles(azkaban: LiveAzkaban, users: Callable[..., None], project: str) -> None:
    users("add", "reader", "--role", "read", password=PASSWORD)
    users("add", "second", "--role", "admin", password=PASSWORD)
    with client(azkaban, "reader") as reader:
        assert reader.flows(project) == ("one",)
        with Bundle(FILES).temporary() as archive, pytest.raises(errors.Refused):
            reader.upload(project, archive)
        with pytest.raises(errors.PermissionDenied, match="reader may not execute flows of"):
            reader.execute(project, "one")
        with pytest.raises(errors.Refused):
            reader.delete_project(project)
        with pytest.raises(errors.Refused, match="permission to create projects"):
            reader.create_project("own", "whose jobs would run as the server")
    users("add", "both", "--role", "read", "--role", "user", password=PASSWORD)
    with client(azkaban, "both") as both:
        assert both.flows(project) == ("one",)
        both.create_project("own", "of somebody who may")
        both.delete_project("own")
    with client(azkaban, "second") as second:
        second.describe(project, "changed by another administrator")
        assert second.wait(second.execute(project, "one")).succeeded


def test_a_schedule_is_removed_by_those_alone_who_may_schedule(
    azkaban: LiveAzkaban, users: Callable[..., None], project: str
) -> None:
    """Schedules are triggers, and /triggers asked nobody for a permission."""
    users("add", "stranger", password=PASSWORD)
    users("add", "planner", password=PASSWORD)
    stranger, planner = (Browser(azkaban, name, PASSWORD) for name in ("stranger", "planner"))
    with client(azkaban, azkaban.username, azkaban.password) as admin:
        admin.schedule(project, "one", at=datetime.now(UTC) + timedelta(days=3), every="1d")
        admin.grant(project, "planner", ["schedule"])
        (found,) = admin.schedules(project)
        expire = f"triggers?ajax=expireTrigger&triggerId={found.id}"
        assert "Permission denied" in stranger.ask(expire)["error"]
        assert "does not exist" in stranger.ask(expire + "99")["message"]
        assert planner.ask(expire)["status"] == "success"
        admin.unschedule(project, "one")


def test_groups_and_proxies(azkaban: LiveAzkaban, users: Callable[..., None], project: str) -> None:
    users("add", "member", "--group", "night", "--proxy", "robot", password=PASSWORD)
    with client(azkaban, azkaban.username, azkaban.password) as admin:
        admin.grant(project, "night", ["admin"], group=True)
        with pytest.raises(errors.PermissionDenied):
            admin.add_proxy_user(project, "robot")  # not the administrator's to give
    with client(azkaban, "member") as member:
        assert member.flows(project) == ("one",)
        member.add_proxy_user(project, "robot")
        assert "robot" in member.proxy_users(project)


def test_another_password_ends_the_sessions_of_the_old_one(
    azkaban: LiveAzkaban, users: Callable[..., None]
) -> None:
    users("add", "ada", password=PASSWORD)
    users("add", "ben", password=PASSWORD)
    ada, ben = Browser(azkaban, "ada", PASSWORD), Browser(azkaban, "ben", PASSWORD)
    assert ada.inside
    assert ben.inside
    users("passwd", "ada", password="another one")
    assert not ada.inside
    assert ben.inside
    assert not Browser(azkaban, "ada", PASSWORD).inside
    for _ in range(2):  # the second is recognised without the slow hash
        assert Browser(azkaban, "ada", "another one").inside


def test_a_browser_at_the_other_end_of_a_tunnel(
    azkaban: LiveAzkaban, users: Callable[..., None]
) -> None:
    """It calls the server `localhost`, with whatever port the laptop had free."""
    users("add", "ada", password=PASSWORD)
    here = Browser(azkaban, "ada", PASSWORD, Host="localhost:9", Origin="http://localhost:9")
    assert here.answer["status"] == "success"
    assert here.inside


def test_set_up_and_azk_log_in_with_the_administrators_new_password(
    azkaban: LiveAzkaban, users: Callable[..., None]
) -> None:
    before = azkaban.password
    try:
        users("passwd", azkaban.username, password="a new password")
        assert azkaban.server.password == "a new password"
        pages = azkaban.server.settings.parts[-1]
        assert azkaban.server.endpoint(azkaban.server.settings, pages).login()
        assert not Browser(azkaban, azkaban.username, before).inside
    finally:
        users("passwd", azkaban.username, password=before)
    assert Browser(azkaban, azkaban.username, before).inside


def test_a_file_that_is_edited_by_hand(
    azkaban: LiveAzkaban, users: Callable[..., None], file: Path
) -> None:
    users("add", "ada", password=PASSWORD)
    good = file.read_text()
    stored = re.search(r'"(pbkdf2-[^"]*)"/>\s*</azk', good)
    assert stored
    ada = Browser(azkaban, "ada", PASSWORD)
    assert not Browser(azkaban, "ada", stored[1]).inside  # the hash is no password
    more = '<user username="old" password="in plain text" roles="none of these"/></azk'
    file.write_text(good.replace("</azk", more))
    old = Browser(azkaban, "old", "in plain text")
    assert old.inside
    assert ada.inside
    for broken in ("<azkaban-users>", "", good.replace("$600000$", "$many$")):
        file.write_text(broken)
        assert old.inside
        assert ada.inside
    file.unlink()
    assert ada.inside
    log = azkaban.server.log().read_text()
    assert "azkaban-users.xml was not read again, the users stay as they were" in log
    assert "user old has roles that are not defined: [none of these]" in log
    file.write_text(good)
    assert not old.inside
    assert ada.inside


def test_passwords_are_neither_kept_nor_logged(
    azkaban: LiveAzkaban, users: Callable[..., None]
) -> None:
    users("add", "ada", password=PASSWORD)
    assert Browser(azkaban, "ada", PASSWORD).inside
    words = {PASSWORD.encode(), quote(PASSWORD).encode()}
    found = [p for p in azkaban.server.home.rglob("*") if p.is_file()]
    assert [p for p in found if any(word in p.read_bytes() for word in words)] == []
