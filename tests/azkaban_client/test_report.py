"""`azk report`: what it reads, what it serves and to whom; nothing of a project runs in it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from azkaban_client.cli import main
from azkaban_client.reports import pages, records
from azkaban_client.reports.server import ReportServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ATTACK = '"><script>hacked()</script><img src=x onerror=hacked()>'


def leave(root: Path, project: str, execution: object, job: str, **record: Any) -> Path:
    """Leave what a job leaves."""
    folder = root / project / str(execution) / job
    folder.mkdir(parents=True)
    whole = {
        "flow": "fit",
        "status": "succeeded",
        "started": f"2026-11-01T08:{int(execution) % 60:02}:00+00:00",
        "ended": f"2026-11-01T08:{int(execution) % 60:02}:30+00:00",
        "seconds": 30,
        **record,
    }
    (folder / "run.json").write_text(json.dumps(whole))
    (folder / "report.html").write_text(f"<h1>report of {job}</h1>")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "runs"
    for number, loss in ((9, 0.5), (10, 0.25), (11, 0.125)):
        leave(root, "nn", number, "load", metrics={"rows": 150})
        leave(root, "nn", number, "train", metrics={"loss": loss, "half": loss / 2})
    return root


def test_runs_are_read_newest_first_and_their_metrics_followed(root: Path) -> None:
    history = records.runs(root)
    assert [run.execution for run in history] == ["11", "10", "9"]
    assert [job.name for job in history[0].jobs] == ["load", "train"]
    assert (history[0].flow, history[0].status) == ("fit", "succeeded")
    assert history[0].duration is not None
    assert history[0].duration.total_seconds() == 30
    found = {(trend.job, trend.metric): trend.points for trend in records.trends(history)}
    assert found["train", "loss"] == (("9", 0.5), ("10", 0.25), ("11", 0.125))


def test_what_a_job_has_closed_hides_no_other_run(root: Path) -> None:
    leave(root, "nn", 12, "load")
    leave(root, "other", 13, "load")
    closed = [root / "nn" / "11", root / "nn" / "12" / "load", root / "other"]
    for folder in closed:
        folder.chmod(0)
    try:
        history = records.runs(root)
        assert records.inside(root / "nn" / "9") == [root / "nn/9/load", root / "nn/9/train"]
    finally:
        for folder in reversed(closed):
            folder.chmod(0o700)
    assert {"10", "9"} <= {run.execution for run in history}


def test_a_retry_is_an_attempt_of_its_first_run(root: Path) -> None:
    leave(root, "nn", 12, "train", metrics={"loss": 9.0}, retry_of="11")
    leave(root, "nn", 13, "train", metrics={"loss": 0.1}, retry_of="11")
    leave(root, "nn", 14, "train", metrics={"loss": 0.2}, retry_of="../x")
    history = records.runs(root)
    assert [(run.execution, run.first) for run in history][:4] == [
        ("14", "14"), ("13", "11"), ("12", "11"), ("11", "11")
    ]  # fmt: skip
    found = {(trend.job, trend.metric): trend.points for trend in records.trends(history)}
    assert found["train", "loss"] == (("9", 0.5), ("10", 0.25), ("13", 0.1), ("14", 0.2))
    assert found["load", "rows"] == (("9", 150), ("10", 150), ("11", 150))
    assert pages._seconds(history) == (("9", 30), ("10", 30), ("13", 90), ("14", 30))
    assert 'data-unit="runs">4</td>' in pages.index(history)
    assert pages.flow("nn", "fit", history).count("retry of #11") == 2
    assert 'retry of <a href="../../run/nn/11">' in pages.summary(history[1], history)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", "unreadable"),
        ('{"status": ', "unreadable"),
        ("[1, 2]", "unreadable"),
        ("[" * 100_000, "unreadable"),
        ('{"status": 7, "metrics": {"a": "x"}, "started": 3, "flow": []}', "succeeded"),
        ('{"metrics": {"a": NaN, "b": true, "c": 1e400, "d": 2}}', "succeeded"),
        ('{"status": "running", "started": "2026-11-01T08:00:00+00:00"}', "running"),
        (None, "no record"),
    ],
)
def test_whatever_a_job_left_is_shown(root: Path, text: str | None, status: str) -> None:
    folder = root / "odd" / "77" / "job"
    folder.mkdir(parents=True)
    if text is not None:
        (folder / "run.json").write_text(text)
    (run,) = records.runs(root, project="odd")
    assert run.status == status
    assert set(run.jobs[0].metrics) <= {"d"}
    assert run.jobs[0].report is None
    assert status in pages.index(records.runs(root)).replace(
        "running or killed outright", "running"
    )
    assert "77" in pages.summary(run, [run])


def test_the_worst_job_names_the_run(root: Path) -> None:
    leave(root, "nn", 12, "load")
    leave(root, "nn", 12, "train", status="failed", error="loss = nan: a smaller learning rate")
    run = records.find(root, "12")[0]
    assert run.status == "failed"
    page = pages.summary(run, records.runs(root))
    assert "loss = nan: a smaller learning rate" in page
    assert "before, in #11" in page


def test_links_lead_out_of_nowhere(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (root / "nn" / "13").symlink_to(tmp_path / "elsewhere")
    (root / "nn" / "11" / "train" / "report.html").unlink()
    (root / "nn" / "11" / "train" / "report.html").symlink_to("/etc/passwd")
    history = records.runs(root)
    assert [run.execution for run in history] == ["11", "10", "9"]
    assert history[0].jobs[1].report is None


def test_plots_are_vectors_with_labels_in_the_pages_colour(root: Path) -> None:
    page = pages.flow("nn", "fit", records.runs(root))
    plots = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    texts = [re.findall(r"<text[^>]*>([^<]*)</text>", plot) for plot in plots]
    assert len(texts) == 2
    for text, name in zip(texts, ("loss", "half"), strict=True):
        assert {"execution", name, "9", "10", "11"} <= set(text)
    same = page[page.index("The same each time") : page.index("<h2>Runs")]
    assert "(load, 3 runs)</span>: 150" in same
    assert "duration (s)" in same
    for plot in plots:
        assert "currentColor" in plot
        assert "<image" not in plot


def test_the_index_shows_how_each_flow_goes(root: Path) -> None:
    page = pages.index(records.runs(root))
    (trend,) = re.findall(r"<td>(loss .*?)</td>", page, re.DOTALL)
    assert trend.startswith("loss 0.125 <svg")  # of the job that runs last, in the last run
    assert "loss in 3 runs, last 0.125" in trend
    assert 'points="0.0,2.0 50.0,12.7 100.0,18.0"' in trend


def test_names_are_text_whatever_they_hold(tmp_path: Path) -> None:
    name = ATTACK.replace("/", "")
    for number in (1, 2):
        leave(
            tmp_path,
            name,
            number,
            name,
            flow=ATTACK,
            status="failed" if number == 1 else "succeeded",
            error=ATTACK,
            metrics={ATTACK: number, "$\\frac{": number, "${x}$": number},
        )
    history = records.runs(tmp_path)
    shown = (
        pages.index(history),
        pages.flow(name, ATTACK, history),
        pages.summary(history[0], history),
    )
    assert "<polyline" in shown[0]  # the metric's name beside its trend
    for page in shown:
        assert "<script" not in page
        assert "<img" not in page
        assert "onerror=hacked()&gt;" in page


@pytest.fixture
def get(root: Path) -> Iterator[Callable[..., tuple[int, dict[str, str], str]]]:
    """Ask a server of these runs."""
    with ReportServer(root) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def ask(
            path: str, *, secret: str = server.secret, host: str = "", method: str = "GET"
        ) -> tuple[int, dict[str, str], str]:
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
            headers = {"Host": host} if host else {}
            connection.request(method, f"/{secret}{path}", headers=headers)
            answer = connection.getresponse()
            body = answer.read().decode()
            connection.close()
            return answer.status, dict(answer.getheaders()), body

        yield ask
        server.shutdown()
        thread.join()


def test_pages_and_reports_are_served(get: Any) -> None:
    status, headers, page = get("/")
    assert status == 200
    assert 'href="run/nn/11"' in page
    assert "script-src" not in headers["Content-Security-Policy"]
    assert headers["Content-Security-Policy"].startswith("default-src 'none';")
    assert "loss" in get("/flow/nn/fit")[2]
    page = get("/run/nn/11")[2]
    (link,) = re.findall(r'href="([^"]*train[^"]*)"', page)
    status, headers, report = get("/" + link.removeprefix("../../"))
    assert (status, report) == (200, "<h1>report of train</h1>")
    assert headers["Content-Security-Policy"].startswith("sandbox ")
    assert "allow-same-origin" not in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"


def test_heads_have_no_body(get: Any) -> None:
    status, headers, body = get("/", method="HEAD")
    assert (status, body) == (200, "")
    assert int(headers["Content-Length"]) > 1000


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/nothing",
        "/run/nn/404",
        "/run/none/9",
        "/flow/nn/none",
        "/file/nn/9/train/none",
        "/file/nn/9/train",
        "/file/nn/9/train/..%2f..%2f10%2ftrain%2freport.html",
        "/file/nn/9/../../../secret",
        "/file/nn/9/%2e%2e/x",
        "/file/nn/9/train/%00",
        "/file/nn/9/train/out",
        "/file/nn/9/train/" + "a" * 300,
    ],
)
def test_nothing_else_is_served(get: Any, root: Path, path: str) -> None:
    (root.parent / "secret").write_text("secret")
    (root / "nn" / "9" / "train" / "out").symlink_to(root.parent / "secret")
    status, _, body = get(path)
    assert (status, "secret" in body) == (404, False)


def test_nobody_is_served_without_the_secret_or_by_another_name(get: Any, capfd: Any) -> None:
    assert get("/", secret="guess")[0] == 404
    assert get("/", secret="")[0] == 404
    assert get("/", host="rebound.example:80")[0] == 404
    assert get("/[", secret="")[0] == 404
    assert capfd.readouterr().err == ""  # other accounts may ask: nothing reaches the terminal


def test_a_file_that_a_job_has_closed_is_not_there(get: Any, root: Path) -> None:
    closed = root / "nn" / "9" / "train"
    closed.chmod(0)
    try:
        status, _, body = get("/file/nn/9/train/report.html")
    finally:
        closed.chmod(0o700)
    # The superuser, who runs tests in some containers, can read everything.
    assert (status, "no such run" in body) == ((200, False) if os.geteuid() == 0 else (404, True))


def test_files_that_browsers_do_not_show_are_downloads(get: Any, root: Path) -> None:
    (root / "nn" / "9" / "train" / "model.xhtml").write_text("<script>hacked()</script>")
    _, headers, _ = get("/file/nn/9/train/model.xhtml")
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Disposition"] == "attachment"


# The command ------------------------------------------------------------------------------------


def azk(capfd: Any, *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["report", *args])
    captured = capfd.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


def test_list(root: Path, capfd: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("AZK_RUNS", str(root))
    code, out, _ = azk(capfd, "list", "--limit", "2")
    assert code == 0
    assert [line.split()[:4] for line in out.splitlines()[1:]] == [
        ["nn", "fit", "11", "succeeded"],
        ["nn", "fit", "10", "succeeded"],
    ]
    code, out, _ = azk(capfd, "list", "--json", "--flow", "fit", "--project", "nn")
    assert code == 0
    runs = json.loads(out)
    assert [run["execution"] for run in runs] == ["11", "10", "9"]
    assert runs[0]["jobs"][1]["metrics"] == {"loss": 0.125, "half": 0.0625}
    assert runs[0]["duration"] == 30
    assert runs[0]["jobs"][1]["report"] == str(root / "nn/11/train/report.html")


def test_names_do_not_command_the_terminal(root: Path, capfd: Any) -> None:
    leave(root, "bad\x1b]0;x\x07", 1, "job")
    assert "\x1b" not in azk(capfd, "list", "--runs", str(root))[1]


def test_a_server_on_which_no_job_has_left_anything(
    tmp_path: Path, capfd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "azk.toml").write_text('runs = "runs"\n')
    monkeypatch.setenv("AZK_CONFIG", str(tmp_path / "azk.toml"))
    assert azk(capfd, "list", "--json")[:2] == (0, "[]\n")
    assert "no job has left anything there yet" in azk(capfd, "list")[2]
    code, _, err = azk(capfd, "open", "1")
    assert (code, "runs, from file" in err) == (2, True)


def test_mistakes_are_named(root: Path, capfd: Any) -> None:
    code, _, err = azk(capfd, "list", "--runs", str(root / "none"))
    assert (code, f"{root / 'none'} (--runs): no such folder" in err) == (2, True)
    code, _, err = azk(capfd, "open", "404", "--runs", str(root))
    assert (code, "no job of execution 404 left anything" in err) == (4, True)
    leave(root, "other", 9, "job")
    code, _, err = azk(capfd, "open", "9", "--runs", str(root))
    assert (code, "choose with --project" in err) == (2, True)
    with ReportServer(root) as server:
        port = str(server.server_port)
        code, _, err = azk(capfd, "serve", "--runs", str(root), "--port", port)
    assert (code, f"--port {port}" in err) == (2, True)


def test_open_starts_the_browser_without_showing_the_secret(root: Path, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f"#!/bin/sh\necho \"$1\" >'{tmp_path}/asked'\n")
    browser.chmod(0o755)
    program = "import sys; from azkaban_client.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", program, "report", "open", "11", "--runs", str(root)]
    environ = {**os.environ, "BROWSER": f"{browser} %s", "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        url = process.stdout.readline().strip()
        parts = urlsplit(url)
        assert re.fullmatch(r"/[\w-]{20,}/run/nn/11", parts.path)
        assert process.stderr.readline() == "Ctrl-C ends it\n"
        connection = http.client.HTTPConnection(parts.netloc, timeout=20)
        connection.request("GET", parts.path)  # answered by the time that a browser asks
        assert "train" in connection.getresponse().read().decode()
        connection.close()
        while not (tmp_path / "asked").exists() or not (tmp_path / "asked").read_text():
            assert process.poll() is None
        (page,) = tmp_path.glob("azk-report-*.html")
        assert (tmp_path / "asked").read_text() == f"{page.as_uri()}\n"
        assert page.stat().st_mode & 0o077 == 0
        assert url in page.read_text()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert not page.exists()
