"""The servers say nothing to another account that has taken the port of MySQL or an executor."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from setup import java, maven
from tests.stranger import GREETING, PLAYED, REAL, UID, Stranger

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.live.conftest import LiveAzkaban

# The ways in which Azkaban 2.5 to 4.0 connect: to the database, to executors.
CALLER = """
import java.sql.DriverManager;
import java.util.Properties;
import org.apache.commons.dbcp.DriverConnectionFactory;
import org.apache.http.client.methods.HttpPost;
import org.apache.http.impl.client.DefaultHttpClient;
import org.apache.http.impl.client.HttpClients;

public class Caller {
    interface Call {
        void at(String place) throws Exception;
    }

    public static void main(String[] places) {
        Call[] calls = {
            p -> DriverManager.getConnection("jdbc:mysql://" + p + "/azkaban?useUnicode=yes"
                + "&useSSL=false", "azkaban", "secret"),
            p -> new DefaultHttpClient().execute(new HttpPost("http://" + p + "/executor")),
            p -> HttpClients.createDefault().execute(new HttpPost("http://" + p + "/executor")),
        };
        Call pool = p -> new DriverConnectionFactory(new com.mysql.jdbc.Driver(),
            "jdbc:mysql://" + p.substring(5) + "/azkaban", new Properties()).createConnection();
        for (int i = 0; i < places.length; i++) {
            try {
                (places[i].startsWith("pool:") ? pool : calls[i % calls.length]).at(places[i]);
            } catch (Throwable error) {
                Throwable cause = error;
                while (cause.getCause() != null) {
                    cause = cause.getCause();
                }
                System.out.println(i + " " + cause.getMessage());
            }
        }
    }
}
"""


@pytest.fixture(scope="module")
def call(azkaban: LiveAzkaban, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Call MySQL and executors at some places from a Java with the server's jars and its agent."""
    folder = tmp_path_factory.mktemp("caller")
    program = str(java.ensure(azkaban.layout).program)
    [compiler] = maven.fetch(maven.pinned("compiler"), azkaban.layout.cache, lambda _: None)
    home = azkaban.server.home / "program"
    jars = sorted(str(jar) for part in ("agent", "lib") for jar in (home / part).glob("*.jar"))
    classpath = ":".join([*jars, str(folder)])
    (folder / "Caller.java").write_text(CALLER)
    compile_it = [program, "-jar", str(compiler), "-1.8", "-nowarn", "-cp", classpath]
    subprocess.run([*compile_it, "-d", ".", "Caller.java"], cwd=folder, check=True)

    def run(places: list[str], *options: str) -> str:
        agent = f"-javaagent:{home}/agent/port-guard.jar=1=127.0.0.1"
        told = subprocess.run(
            [program, agent, *options, "-cp", classpath, "Caller", *places],
            cwd=folder, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return told.stdout

    return run


def _places(stack: ExitStack, uid: int = UID) -> tuple[list[Stranger], list[str]]:
    """Have strangers listen in MySQL's place and in executors'; the last three accept nothing."""
    strangers = [
        stack.enter_context(Stranger(uid, greeting=GREETING * (i % 3 == 0), accepts=i < 3))
        for i in range(6)
    ]
    return strangers, [f"127.0.0.1:{stranger.port}" for stranger in strangers]


OTHER = () if REAL else (f"-Dportguard.uid={PLAYED}",)


def test_nothing_is_said_to_another_account(call) -> None:
    with ExitStack() as stack:
        strangers, places = _places(stack)
        shown = call(places, *OTHER)
        for i, stranger in enumerate(strangers):
            count, heard = stranger.heard()
            assert (count >= 1, heard) == (True, b""), i
            words = rf"{i} 127\.0\.0\.1 port {stranger.port} belongs to the account .*{UID}, not to"
            assert re.search(words, shown), shown


@pytest.mark.parametrize("options", [(), (*OTHER, f"-Dportguard.trusted=77,{UID}")])
def test_ones_own_servers_and_those_of_trusted_accounts_are_spoken_to(call, options) -> None:
    with ExitStack() as stack:
        strangers, places = _places(stack, UID if options else os.geteuid())
        shown = call(places[:3], *options)
        heard = [stranger.heard()[1] for stranger in strangers[:3]]
        assert b"azkaban\0" in heard[0]
        assert all(text.startswith(b"POST /executor") for text in heard[1:])
        assert "belongs to" not in shown


def test_a_connection_of_the_pool_that_was_cut_before_the_log_in_is_tried_again(call) -> None:
    """MySQL does that to whoever is slow; Azkaban would fail an upload for it."""
    taken = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def cut() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    taken.append(connection.getpeername())
                    connection.close()

        thread = threading.Thread(target=cut, daemon=True)
        thread.start()
        said = call([f"pool:127.0.0.1:{server.getsockname()[1]}"])
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert said.startswith("0 "), "the last failure is told"
    assert len(taken) == 4
