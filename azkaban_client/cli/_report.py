"""azk report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from azkaban_client import errors
from azkaban_client._home import expanded
from azkaban_client.cli._app import (
    App,
    emit,
    group,
    json_option,
    note,
    pass_app,
    runs_option,
    table,
    visible,
)

if TYPE_CHECKING:
    from azkaban_client.reports.records import Run
    from azkaban_client.reports.server import ReportServer

__all__ = ["COMMANDS"]

_port = click.option(
    "--port", type=click.IntRange(1, 65535), metavar="N", help="Default: a free one."
)


@group()
def report() -> None:
    """Look at the reports of past runs.

    Examples
    --------
      azk report list
      azk report open 42
      azk report serve

    Jobs leave report.html and run.json in RUNS/PROJECT/EXECUTION/JOB. These commands read the
    folder RUNS, not the server: run them where it is.
    """


@report.command("list")
@runs_option
@click.option("--project", help="Only this project's.")
@click.option("--flow", help="Only this flow's.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most.")
@json_option
@pass_app
def list_(
    app: App,
    *,
    runs: str | None,
    project: str | None,
    flow: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List past runs with their metrics and reports, newest first.

    Examples
    --------
      azk report list --project nn
      azk report list --flow nn --limit 5 --json
    """
    from azkaban_client.reports import records

    history: list[Run] = []
    # Set-up names the folder of its server before a job has made it.
    if runs or not app.settings.values["runs"].source.startswith("file") or _setting(app).exists():
        history = records.runs(_root(app, runs), project=project, flow=flow)[:limit]
    if not history and not as_json:
        note("no job has left anything there yet")
    emit(as_json, [_plain(run) for run in history], lambda: _shown(history) if history else "")


@report.command("open")
@click.argument("execution", required=False)
@runs_option
@click.option("--project", help="Whose execution, where projects share a number.")
@_port
@json_option
@pass_app
def open_(
    app: App,
    *,
    execution: str | None,
    runs: str | None,
    project: str | None,
    port: int | None,
    as_json: bool,
) -> None:
    """Show an execution, or all of them, in the browser, until Ctrl-C.

    Examples
    --------
      azk report open
      azk report open 42
      azk report open local --project nn
    """
    from azkaban_client.reports import pages, records

    root, path = _root(app, runs), ""
    if execution is not None:
        found = records.find(root, execution.removeprefix("#"), project=project)
        if not found:
            of = f" of project {project}" if project else ""
            raise errors.NotFound(f"no job of execution {execution}{of} left anything in {root}")
        if len(found) > 1:
            names = ", ".join(run.project for run in found)
            raise click.UsageError(f"execution {execution} is in {names}: choose with --project")
        path = pages.link("run", found[0].project, found[0].execution)
    with _server(root, port) as server:
        _serve(server, path, browser=True, as_json=as_json)


@report.command("serve")
@runs_option
@_port
@json_option
@pass_app
def serve(app: App, *, runs: str | None, port: int | None, as_json: bool) -> None:
    """Serve all runs to browsers on this machine, until Ctrl-C.

    Examples
    --------
      azk report serve
      azk report serve --port 9000

    Only this machine is served, and only whoever has the address: it holds a secret.
    """
    with _server(_root(app, runs), port) as server:
        _serve(server, "", as_json=as_json)


def _server(root: Path, port: int | None) -> ReportServer:
    from azkaban_client.reports.server import ReportServer

    try:
        return ReportServer(root, port or 0)
    except OSError as error:
        raise click.UsageError(f"--port {port}: {error.strerror}; leave it out") from error


def _serve(server: ReportServer, path: str, *, as_json: bool, browser: bool = False) -> None:
    """Serve until Ctrl-C; in a thread, since a browser in this terminal holds up the caller."""
    import threading

    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = server.url + path
    emit(as_json, {"url": url}, url)
    note("Ctrl-C ends it")
    try:
        if browser and not _browse(url):
            note("no browser could be started: open the address yourself")
        while thread.is_alive():
            thread.join(0.5)  # without an end, Ctrl-C just before it would go unheard
    except KeyboardInterrupt:
        note("")
    finally:
        server.shutdown()


def _browse(url: str) -> bool:
    """Show an address; by a file that leads to it, since others may see a program's arguments."""
    import html
    import tempfile
    import webbrowser

    handle, name = tempfile.mkstemp(prefix="azk-report-", suffix=".html")  # readable by us alone
    page = f'<!doctype html><meta http-equiv="refresh" content="0; url={html.escape(url)}">\n'
    with open(handle, "w", encoding="utf-8") as stream:  # noqa: PTH123 (it is open already)
        stream.write(page)
    click.get_current_context().call_on_close(lambda: Path(name).unlink(missing_ok=True))
    return webbrowser.open(Path(name).as_uri())


def _setting(app: App) -> Path:
    return expanded(app.settings["runs"])


def _root(app: App, given: str | None) -> Path:
    root = expanded(given) if given else _setting(app)
    if not root.is_dir():
        source = "--runs" if given else f"runs, from {app.settings.values['runs'].source}"
        raise click.UsageError(
            f"{root} ({source}): no such folder; give --runs DIR, set AZK_RUNS, or write "
            "runs = ... to azk.toml"
        )
    return root


def _plain(run: Run) -> dict[str, Any]:
    return {
        "project": run.project,
        "flow": run.flow,
        "execution": run.execution,
        "retry_of": run.retry_of or None,
        "status": run.status,
        "start": run.started,
        "duration": run.duration,
        "folder": str(run.folder),
        "jobs": [
            {
                "job": job.name,
                "status": job.status,
                "error": job.error,
                "start": job.started,
                "duration": job.seconds,
                "metrics": dict(job.metrics),
                "report": str(job.report) if job.report else None,
            }
            for job in run.jobs
        ],
    }


def _shown(history: list[Run]) -> str:
    rows: list[list[Any]] = []
    for run in history:
        last = run.jobs[-1]
        metrics = ", ".join(f"{name} {number:.4g}" for name, number in last.metrics.items())
        started = run.started.astimezone().strftime("%Y-%m-%d %H:%M:%S") if run.started else "-"
        took = f"{run.duration.total_seconds():.1f}" if run.duration is not None else "-"
        execution = f"{run.execution} (of {run.retry_of})" if run.retry_of else run.execution
        row = [run.project, run.flow or "-", execution, run.status, started, took, metrics[:70]]
        rows.append([visible(str(cell)) for cell in row])
    header = ["project", "flow", "execution", "status", "started", "seconds", "metrics, last job"]
    return table(header, rows)


COMMANDS = [report]
