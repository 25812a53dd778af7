"""A project from `azk new` deployed to a real server, changed, and taken away again."""

from __future__ import annotations

import json
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest

from azkaban_client import Client
from azkaban_client.cli import main
from azkaban_client.files import write_private
from azkaban_client.models import Sla
from tests.setup import made_up


@pytest.fixture
def azk(azkaban, tmp_path, monkeypatch, capfd):
    """Run `azk` in this process as somebody does whose server this is."""
    monkeypatch.setenv("AZK_CONFIG", str(azkaban.config))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)

    def run(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(list(args))
        out, err = capfd.readouterr()
        return int(stop.value.code or 0), out, err

    return run


def deployed(azk, *args: str) -> dict:
    code, out, err = azk("deploy", *args, "--json")
    assert code == 0, err
    return {**json.loads(out), "err": err}


@pytest.mark.stock
def test_a_new_project_runs_every_day_and_changes_only_what_has_changed(
    azk, azkaban, tmp_path
) -> None:
    assert azk("new", "deployed")[0] == 0
    options = ("deployed", "--daily", "06:05", "--notify", "mail:me@example.org")
    dry = deployed(azk, *options, "--dry-run")
    assert (dry["uploaded"], dry["schedule"], "deployed: new, " in dry["err"]) == (
        False,
        None,
        True,
    )
    first = deployed(azk, *options)
    assert (first["uploaded"], first["version"], first["scheduled"]) == (True, 1, True)
    assert first["schedule"]["next"].endswith("T06:05:00")
    assert first["schedule"]["period"] == "1 day(s)"
    assert [line.partition(":")[0] for line in first["warnings"]] == [
        "this server sends no mail",
        "after a restart of its machine this server does not run, and so nothing on it",
    ]
    again = deployed(azk, *options)
    assert (again["uploaded"], again["scheduled"]) == (False, False)
    assert again["schedule"]["id"] == first["schedule"]["id"]

    (tmp_path / "deployed/more.csv").write_text("1\n")
    shared = tmp_path / "deployed/deployed.properties"
    shared.write_text(f"{shared.read_text()}# more\n")
    dry = deployed(azk, "deployed", "--dry-run")
    assert "  + more.csv\n  ~ deployed.properties\n" in dry["err"]
    with Client(
        azkaban.url, auth=(azkaban.username, azkaban.password), address=azkaban.address
    ) as c:
        c.set_sla(first["schedule"]["id"], [Sla(within=timedelta(hours=1))], ["me@example.org"])
        second = deployed(azk, "deployed")
        assert (second["version"], second["scheduled"]) == (2, False)
        assert second["schedule"]["id"] == first["schedule"]["id"]
        later = deployed(azk, "deployed", "--daily", "07:05")
        assert (later["uploaded"], later["scheduled"]) == (False, True)
        assert "nobody is told when it fails" in later["err"]
        limits, emails = c.sla(later["schedule"]["id"])
        assert (limits[0].within, emails) == (timedelta(hours=1), ("me@example.org",))
        assert len(c.schedules("deployed")) == 1
        often = deployed(azk, "deployed", "--every", "15m")
        assert often["schedule"]["period"] == "15 minute(s)"
        assert not deployed(azk, "deployed", "--every", "15m")["scheduled"]

    (tmp_path / "deployed/other.job").write_text("type=noop\n")
    for flow in ("other", "deployed", "other", "deployed"):
        last = deployed(azk, "deployed", "--flow", flow, "--every", "15m")
    assert not last["scheduled"], "each flow has its own schedule"
    (tmp_path / "deployed/other.job").unlink()
    assert "other is scheduled, but no flow" in deployed(azk, "deployed")["err"]

    code, out, err = azk("run", "deployed", "deployed", "--prop", "rows=3", "--follow", "--json")
    assert code == 0, err
    left = azkaban.layout.runs / "deployed" / str(json.loads(out)["execid"]) / "deployed"
    assert json.loads((left / "run.json").read_text())["metrics"] == {"rows": 3}

    code, out, _ = azk("undeploy", "deployed", "--json")
    assert (code, sorted(json.loads(out)["unscheduled"])) == (0, ["deployed", "other"])
    assert azk("undeploy", "deployed")[1] == "deployed: was not scheduled\n"
    assert azk("undeploy", "deployed", "--delete", "--yes")[0] == 0
    assert azk("undeploy", "deployed")[0] == 4


def test_failures_are_told_to_a_chat_by_the_watch_of_the_server(azk, azkaban, tmp_path) -> None:
    rules = azkaban.layout.prefix / "watch.toml"
    own = '[tell.me]\nmail = ["me@example.org"]\n[[rule]]\ntell = ["me"]\n'
    rules.write_text(own)
    try:
        write_private(tmp_path / "chat", "slack://secret\n")
        assert azk("new", "told")[0] == 0
        options = ("told", "--daily", "06:05", "--notify", "mail:me@example.org")
        options = (*options, "--notify", f"slack:{tmp_path / 'chat'}")
        assert "rules of azk watch: slack:" in deployed(azk, *options, "--dry-run")["err"]
        assert rules.read_text() == own
        first = deployed(azk, *options)
        assert first["tells"] == [f"slack:{tmp_path / 'chat'}"]
        assert any("azk watch, which tells chats" in line for line in first["warnings"])
        missing = find_spec("apprise") is None
        assert any("chats need apprise" in line for line in first["warnings"]) is missing
        text = rules.read_text()
        assert "rules of azk watch" not in deployed(azk, *options)["err"]
        assert rules.read_text() == text
        _, out, _ = azk("watch", str(rules), "--check", "--json")
        assert json.loads(out)[1:] == [
            {"project": "told", "flow": "told", "on": ["failed", "recovered", "missed"],
             "tell": ["told/told/1"]}
        ]  # fmt: skip
        deployed(azk, "told")
        assert rules.read_text() == text
        rules.write_text(text.replace("tell.me", "tell.you"))  # a mistake of somebody's
        write_private(tmp_path / "other", "slack://secret\n")
        code, _, err = azk("deploy", *options[:-1], f"chat:{tmp_path / 'other'}")
        assert (code != 0, "there is no [tell.me]" in err) == (True, True)
        assert "the files are on the server" not in err
        assert rules.read_text() == text.replace("tell.me", "tell.you")
        assert azk("undeploy", "told", "--delete", "--yes")[0] == 0
        assert rules.read_text() == own.replace("tell.me", "tell.you")
    finally:
        rules.unlink(missing_ok=True)


@pytest.mark.faults
def test_packages_that_are_sent_along_are_unpacked_once(azk, azkaban, tmp_path) -> None:
    assert azk("new", "packed")[0] == 0
    index = made_up.Index()
    index.add("plums", "1.0")
    index.write(tmp_path / "packed" / "wheels")
    asked = "--no-index\n--find-links wheels\nplums\n"
    (tmp_path / "packed/requirements.txt").write_text(asked)
    script = tmp_path / "packed/packed.py"
    script.write_text(
        script.read_text().replace("    run.log(", "    import numbers\n    run.log(")
    )
    job = tmp_path / "packed/packed.job"
    job.write_text(f"{job.read_text()}env.AZK_ENVIRONMENTS={tmp_path / 'there'}\n")
    done = deployed(azk, "packed", "--pack")
    assert done["uploaded"]
    assert not deployed(azk, "packed", "--pack")["uploaded"]
    _, out, _ = azk("env", "pack", "packed")
    archive = Path(out.strip())
    for times in (1, 0):
        code, out, err = azk("run", "packed", "packed", "--follow", "--json")
        assert code == 0, err
        execid = str(json.loads(out)["execid"])
        log = azk("logs", execid, "packed")[1]
        assert log.count("azk-python: unpacking") == times
        record = azkaban.layout.runs / "packed" / execid / "packed/run.json"
        assert json.loads(record.read_text())["status"] == "succeeded"
    assert (tmp_path / "there" / archive.name.removesuffix(".tar.gz")).is_dir()
    assert azk("undeploy", "packed", "--delete", "--yes")[0] == 0


@pytest.mark.stock
def test_what_this_server_cannot_do_leaves_nothing_on_it(azk) -> None:
    assert azk("new", "flow2-deployed", "--template", "flow2")[0] == 0
    code, _, err = azk("deploy", "flow2-deployed", "--daily", "6:00")
    assert (code, "needs Azkaban 3.43 or later" in err) == (5, True)
    known = json.loads(azk("project", "list", "--json")[1])
    assert "flow2-deployed" not in {one["name"] for one in known}


@pytest.mark.stock
def test_what_this_server_cannot_keep_is_for_azk_watch(azk) -> None:
    assert azk("new", "on-weekdays")[0] == 0
    made = deployed(azk, "on-weekdays", "--weekdays", "6:00")
    assert made["schedule"]["kept_by"] == "watch"
    assert "kept by azk watch" in made["err"]
    assert not deployed(azk, "on-weekdays", "--weekdays", "6:00")["scheduled"]
    assert azk("schedule", "pause", "on-weekdays", "on-weekdays")[0] == 0
    assert azk("undeploy", "on-weekdays", "--delete", "--yes")[0] == 0
