"""The five schedulers, each started, asked and killed in its own way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from azkaban_client import Client
from azkaban_client.resume import retry
from benchmarks.demo import disk
from benchmarks.schedulers import kinds, processes
from benchmarks.schedulers.airflow_api import Api
from setup import java
from setup.azkaban import Server
from setup.schedulers.scheduler import Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from benchmarks.schedulers.shapes import Shape
    from setup.layout import Layout

GOOD, BAD = "succeeded", "failed"
# What each calls the states in which a run has ended.
ENDS = {"success": GOOD, "SUCCEEDED": GOOD, "COMPLETED": GOOD, "SUCCESS": GOOD}
ENDS |= dict.fromkeys(("failed", "FAILED", "KILLED", "CRASHED", "FAILURE", "CANCELED"), BAD)


def until(look: Callable[[], Any], seconds: float, pause: float = 0.2) -> Any:
    """Wait for something that is not false, and return it; None if it does not come in time."""
    deadline = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(pause)
    return found or None


class Azkaban:
    """Azkaban 2.5.0 as `setup up` starts it: one process, on H2."""

    name = "azkaban"
    pause = 0.1  # between two questions for the state of a run

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.server = Server(layout, python=Path(sys.executable))
        self.runs: dict[str, int] = {}
        self.shapes: dict[str, Shape] = {}

    @property
    def version(self) -> str:
        return self.server.version

    def install(self) -> None:
        from setup.azkaban import Wanted

        self.server.install(java.ensure(self.layout), Wanted())

    def start(self) -> None:
        self.server.up(java.ensure(self.layout))
        self.__dict__.pop("client", None)
        self.client.login()

    def stop(self) -> None:
        self.server.stop()

    @cached_property
    def client(self) -> Client:
        settings = self.server.settings
        auth = (settings.user, self.server.password)
        return Client(settings.url, auth=auth, address=settings.address)

    def megabytes(self) -> float:
        return disk(self.server.home, set())

    def pids(self) -> list[int]:
        return [process.pid for process in self.server.running().values()]

    def place(self, shapes: list[Shape]) -> None:
        """Upload flows."""
        for shape in shapes:
            self.shapes[shape.name] = shape
            self.client.create_project(shape.name, "a flow of the benchmark")
            with shape.bundle().temporary() as archive:
                self.client.upload(shape.name, archive)

    def begin(self, name: str) -> None:
        self.runs[name] = self.client.execute(name, self.shapes[name].flow)

    def state(self, name: str) -> str | None:
        return ENDS.get(self.client.execution(self.runs[name]).status.name)

    def told(self, name: str) -> str:
        """Return what the server calls the state of a run."""
        return self.client.execution(self.runs[name]).status.name

    def give_up(self, name: str) -> None:
        self.client.cancel(self.runs[name])

    def log(self, name: str) -> str:
        """Return the end of what a run has said, for a failure's message."""
        return "".join(self.client.log(self.runs[name]))[-3000:]

    def kill(self) -> None:
        processes.kill(self.pids())

    def go_on(self, name: str) -> str:
        """Do what one does after a power cut; return the command."""
        self.runs[name], _ = retry(self.client, self.runs[name])  # type: ignore[assignment]
        return "azk retry EXECID"

    def show(self, page: Page, name: str) -> None:
        """Bring a run on the page of a browser."""
        url = self.server.settings.url
        page.goto(f"{url}/js/console/index.html")
        page.get_by_label("User").fill(self.server.settings.user)
        page.get_by_label("Password").fill(self.server.password)
        page.get_by_role("button", name="Log in").click()
        page.locator("main#main h1").wait_for()
        page.goto(f"{url}/js/console/index.html#/execution/{self.runs[name]}")
        page.locator(".node").first.wait_for()


class Other:
    """A scheduler that `setup.schedulers` starts."""

    name: ClassVar[str]
    kind: Any = None
    pause = 0.05

    def __init__(self, layout: Layout) -> None:
        self.scheduler = Scheduler(layout, self.name, self.kind, locks=self.locks())
        self.home = self.scheduler.home
        self.url = ""

    def locks(self) -> Path:
        from setup.python.installer import LOCKS

        return kinds.HERE if self.kind else LOCKS

    @property
    def version(self) -> str:
        return self.scheduler.version

    def install(self) -> None:
        self.scheduler.install()
        self.scheduler.home.joinpath("flows").mkdir(exist_ok=True)

    def start(self) -> None:
        self.url = self.scheduler.start().url

    def stop(self) -> None:
        self.scheduler.stop()

    def megabytes(self) -> float:
        return disk(self.home, set())

    def pids(self) -> list[int]:
        return [one.pid for one in self.scheduler.statuses() if one.pid]

    def place(self, shapes: list[Shape]) -> None:
        """Write flows where the scheduler finds them."""
        for shape in shapes:
            shape.write(self.flows, self.name)

    @property
    def flows(self) -> Path:
        return self.home / "flows"

    def kill(self) -> None:
        processes.kill(self.pids())


class ByCommand(Other):
    """A scheduler whose flows run in a command that one starts."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.started: dict[str, subprocess.Popen[bytes]] = {}

    def command(self, name: str) -> list[str]:
        raise NotImplementedError

    def variables(self) -> dict[str, str]:
        return {}

    def log(self, name: str) -> str:
        return (self.home / "logs" / f"{name}.log").read_text()[-6000:]

    def begin(self, name: str) -> None:
        with (self.home / "logs" / f"{name}.log").open("ab") as log:
            self.started[name] = subprocess.Popen(
                self.command(name),
                cwd=self.flows / name,
                env={**os.environ, "PYTHONPATH": ".", **self.variables()},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def state(self, name: str) -> str | None:
        code = self.started[name].poll()
        return None if code is None else BAD if code else GOOD

    def give_up(self, name: str) -> None:
        os.killpg(self.started[name].pid, signal.SIGKILL)
        self.started[name].wait()

    def kill(self) -> None:
        running = [one.pid for one in self.started.values() if one.poll() is None]
        processes.kill([*self.pids(), *running])
        for process in self.started.values():
            process.wait()

    def go_on(self, name: str) -> str:
        self.begin(name)
        return "the same command again"


class Luigi(ByCommand):
    """Luigi with its daemon."""

    name = "luigi"

    def _last(self, name: str) -> str:
        *_, last = json.loads((self.flows / name / "jobs.json").read_text())
        return str(last)

    def command(self, name: str) -> list[str]:
        """Name the run after the flow: the daemon knows a task by its class and parameters."""
        port = self.url.rpartition(":")[2]
        return [
            *(str(self.scheduler.python.with_name("luigi")), "--module", "luigi_flow"),
            *(self._last(name), "--scheduler-port", port, "--workers", "10", "--no-lock"),
            *("--run-name", name),
        ]

    def state(self, name: str) -> str | None:
        """Look whether the last job's target is there: the command's exit code does not tell."""
        if self.started[name].poll() is None:
            return None
        return GOOD if (self.flows / name / "done" / name / self._last(name)).exists() else BAD

    def told(self, name: str) -> str:
        answer = kinds.SESSION.get(
            f"{self.url}/api/task_list", params={"data": json.dumps({"status": "RUNNING"})},
            timeout=30,
        ).json()  # fmt: skip
        return "RUNNING" if answer["response"] else "not known"

    def show(self, page: Page, name: str) -> None:
        answer = kinds.SESSION.get(
            f"{self.url}/api/task_list", params={"data": json.dumps({"status": "DONE"})}, timeout=30
        ).json()["response"]
        wanted = (self._last(name), {"run_name": name})
        task = next(
            one for one, about in answer.items() if (about["name"], about["params"]) == wanted
        )
        page.goto(f"{self.url}/static/visualiser/index.html#tab=graph&taskId={task}")
        page.locator("svg").first.wait_for()


class Prefect(ByCommand):
    """Prefect 3 with its server."""

    name = "prefect"
    kind = kinds.Prefect()

    def command(self, name: str) -> list[str]:
        return [str(self.scheduler.python), "prefect_flow.py"]

    def variables(self) -> dict[str, str]:
        return kinds.prefect_variables(self.scheduler.place())

    def _run(self, name: str) -> dict[str, Any]:
        about = {"flows": {"name": {"any_": [name]}}, "sort": "START_TIME_DESC", "limit": 1}
        answer = kinds.SESSION.post(
            f"{self.url}/api/flow_runs/filter", json=about, timeout=30
        ).json()
        return dict(answer[0])

    def told(self, name: str) -> str:
        return str(self._run(name)["state_type"])

    def show(self, page: Page, name: str) -> None:
        page.goto(f"{self.url}/runs/flow-run/{self._run(name)['id']}")


class Dagster(ByCommand):
    """Dagster; the steps of a run are in one process, one after the other, except of `steps`."""

    name = "dagster"
    kind = kinds.Dagster()

    def install(self) -> None:
        from benchmarks.schedulers.shapes import chain

        super().install()
        if not (self.flows / "trivial").exists():
            chain(2, "trivial", ["true"]).write(self.flows, self.name)

    def place(self, shapes: list[Shape]) -> None:
        super().place(shapes)
        for shape in shapes:
            for executor in ("in_process", "multiprocess"):
                about = {"execution": {"config": {executor: {}}}}
                (self.flows / shape.name / f"{executor}.yaml").write_text(json.dumps(about))

    def command(self, name: str) -> list[str]:
        executor = "multiprocess" if name == "steps" else "in_process"
        return [
            *(str(self.scheduler.python.with_name("dagster")), "job", "execute"),
            *("-f", "dagster_flow.py", "-j", name, "-c", f"{executor}.yaml"),
        ]

    def variables(self) -> dict[str, str]:
        return kinds.dagster_variables(self.scheduler.place())

    def _run(self, name: str) -> dict[str, Any]:
        query = (
            "query Q($n: String!) {runsOrError(filter: {pipelineName: $n}, limit: 1) "
            "{... on Runs {results {runId status}}}}"
        )
        about = {"query": query, "variables": {"n": name}}
        answer = kinds.SESSION.post(f"{self.url}/graphql", json=about, timeout=30).json()
        return dict(answer["data"]["runsOrError"]["results"][0])

    def told(self, name: str) -> str:
        return str(self._run(name)["status"])

    def show(self, page: Page, name: str) -> None:
        page.goto(f"{self.url}/runs/{self._run(name)['runId']}")


class Airflow(Other):
    """Airflow 3 on PostgreSQL."""

    name = "airflow"
    pause = 0.2

    @property
    def flows(self) -> Path:
        return self.home / "dags"

    def start(self) -> None:
        super().start()
        self.api = Api(self.url, self.password)

    @property
    def password(self) -> str:
        found: dict[str, str] = json.loads((self.home / "passwords.json").read_text())
        return found["admin"]

    def place(self, shapes: list[Shape]) -> None:
        super().place(shapes)
        for shape in shapes:
            assert until(lambda name=shape.name: self.api.unpause(name), 180), self.scheduler.log(
                "dag-processor"
            ).read_text()[-3000:]

    def begin(self, name: str) -> None:
        self.api.begin(name, "r")

    def state(self, name: str) -> str | None:
        end = self.api.end(name, "r")
        return ENDS[end] if end else None

    def told(self, name: str) -> str:
        return self.api.end(name, "r") or "running"

    def log(self, name: str) -> str:
        return self.scheduler.log("scheduler").read_text()[-6000:]

    def give_up(self, name: str) -> None:
        self.api.ask("PATCH", f"dags/{name}/dagRuns/r", json={"state": "failed"})

    def go_on(self, name: str) -> str:
        """Do by hand what it does itself when the lost task has been silent for five minutes."""
        running = self.api.ask("GET", f"dags/{name}/dagRuns/r/taskInstances?state=running")
        for task in running["task_instances"]:
            path = f"dags/{name}/dagRuns/r/taskInstances/{task['task_id']}"
            self.api.ask("PATCH", path, json={"new_state": "failed"})
        about = {"dag_run_id": "r", "only_failed": True, "dry_run": False, "reset_dag_runs": True}
        self.api.ask("POST", f"dags/{name}/clearTaskInstances", json=about)
        return "mark the lost task as failed, clear it"

    def show(self, page: Page, name: str) -> None:
        page.goto(f"{self.url}/auth/login")
        page.locator("input[name=username]").fill("admin")
        page.locator("input[name=password]").fill(self.password)
        page.locator("button[type=submit]").click()
        page.wait_for_url(lambda url: "/auth/" not in url)
        page.set_viewport_size({"width": 1500, "height": 930})  # its graph has a fifth of it
        page.evaluate("name => localStorage.setItem(`dag_view-${name}`, '\"graph\"')", name)
        page.goto(f"{self.url}/dags/{name}/runs/r")
        graph = page.locator("button[aria-label*=raph]")
        if graph.count():
            graph.first.click()


RIVALS = {one.name: one for one in (Azkaban, Luigi, Prefect, Dagster, Airflow)}
