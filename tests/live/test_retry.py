"""azk retry of executions that have ended: what succeeded is kept, with its outputs."""

from __future__ import annotations

import json
import re

import pytest

from azkaban_client import Bundle, Client
from azkaban_client.errors import Refused
from azkaban_client.options import RETRY_OF
from azkaban_client.resume import Selection, retry
from tests.commands import Azk

PROJECT = "retry"


@pytest.fixture(scope="module")
def mended(tmp_path_factory):
    return tmp_path_factory.mktemp("mended") / "it"


@pytest.fixture(scope="module")
def azk(azkaban, mended, tmp_path_factory):
    run = Azk(azkaban, tmp_path_factory.mktemp("home"))
    files = {
        "shared.properties": "rows=3\n",
        "count.job": "type=command\ncommand=bash count.sh ${rows}\n",
        "count.sh": """echo '{"total": '$1', "text": "a b=c"}' > $JOB_OUTPUT_PROP_FILE\n""",
        "inner-use.job": "type=command\ncommand=bash use.sh ${total} ${text}\n",
        "inner.job": "type=noop\ndependencies=inner-use\n",
        "whole.job": "type=flow\nflow.name=inner\ndependencies=count\n",
        "end.job": "type=noop\ndependencies=whole\n",
        # 2.5 loses what a process prints that fails at once
        "use.sh": f'echo "total is $1"; sleep 0.5; test "$1 $2" = "5 a" && test -e {mended}\n',
    }
    run.upload(PROJECT, files)
    return run


@pytest.fixture(scope="module")
def failed(azk):
    code, out, _ = azk("run", PROJECT, "end", "--prop", "rows=5", "--follow", "--json")
    assert code == 1
    return str(json.loads(out)["execid"])


def test_the_rest_runs_with_the_outputs_of_what_succeeded(azk, azkaban, failed, mended) -> None:
    code, out, err = azk("retry", failed, "--dry-run", "--json")
    assert code == 0, err
    plan = json.loads(out)
    assert plan["execid"] is None
    assert sorted(plan["jobs"]) == ["end", "whole:inner", "whole:inner-use"]
    assert plan["kept"] == ["count"]
    assert plan["outputs"] == {"total": "5", "text": "a b=c"}

    mended.touch()
    code, out, err = azk("retry", failed, "--follow", "--json")
    assert code == 0, err
    execution = json.loads(out)
    states = {one["id"]: one["status"] for one in execution["jobs"]}
    assert states == {"count": "SKIPPED", "whole": "SUCCEEDED", "end": "SUCCEEDED"}
    assert "with their outputs: text, total" in err
    with Client(
        azkaban.url, auth=(azkaban.username, azkaban.password), address=azkaban.address
    ) as client:
        told = client.execution_options(execution["execid"])["flowParam"]
        assert told == {"rows": "5", "total": "5", "text": "a b=c", RETRY_OF: failed}

        assert client.retries([int(failed), execution["execid"]]) == {
            execution["execid"]: int(failed)
        }
        stock = client._each_retry([int(failed), execution["execid"]])
        assert stock == {str(execution["execid"]): failed}
    code, out, _ = azk("history", PROJECT, "end")
    latest, before = (row.split() for row in out.splitlines()[1:3])
    assert (latest[-1], before[0]) == (failed, failed)

    code, _, err = azk("retry", str(execution["execid"]))
    assert code == 5
    assert "nothing is left to run again" in err


def test_one_job_runs_again_by_name(azk, failed, mended) -> None:
    mended.touch()
    code, out, err = azk("retry", failed, "--only", "whole:inner-use", "--follow", "--json")
    assert code == 0, err
    jobs = {one["id"]: one for one in json.loads(out)["jobs"]}
    assert jobs["count"]["status"] == "SKIPPED"
    assert jobs["whole"]["jobs"][0]["status"] == "SUCCEEDED"
    code, out, err = azk("retry", failed, "--from", "count", "--prop", "rows=4", "--follow")
    assert code == 1  # the count runs again, with another property
    assert "total is 4" in err


def test_a_server_that_tells_no_outputs_is_helped_by_the_records_of_jobs(
    azkaban, tmp_path, monkeypatch
) -> None:
    """A stock server is one without our viewer, as far as a client sees."""
    files = {
        "kept.job": "type=command\ncommand=${python} -m azkaban_client.job.plain kept.py\n",
        "kept.py": "import json, os\n"
        'json.dump({"total": 7, "x": 1e-5}, open(os.environ["JOB_OUTPUT_PROP_FILE"], "w"))\n',
        "gate.job": "type=noop\ndependencies=kept\n",
        "late.job": "type=command\ncommand=bash late.sh ${total} ${x}\ndependencies=gate,kept\n",
        "late.sh": f'sleep 0.5; test "$1 $2" = "7 1.0E-5" && test -e {tmp_path}/mended\n',
        "where.properties": f"output.dir={tmp_path}/runs\nproject.name=told\n",
    }
    monkeypatch.setattr(Client, "outputs", lambda *_: None)
    auth = (azkaban.username, azkaban.password)
    tmp_path.chmod(0o755)
    with Client(azkaban.url, auth=auth, address=azkaban.address) as client:
        client.create_project("told")
        with Bundle({name: text.encode() for name, text in files.items()}).temporary() as path:
            client.upload("told", path)
        failed = client.execute("told", "late")
        assert not client.wait(failed).succeeded
        (tmp_path / "mended").touch()
        with pytest.raises(Refused, match=r"outputs of kept, .*--upstream.*--without-outputs"):
            retry(client, failed)
        new, plan = retry(client, failed, runs=tmp_path / "runs")
        assert (plan.jobs, plan.properties) == (("late",), {"total": "7", "x": "1.0E-5"})
        assert client.wait(new).succeeded
        new, plan = retry(client, failed, Selection(upstream=True))
        assert sorted(plan.jobs) == ["kept", "late"]
        assert client.wait(new).succeeded
        client.delete_project("told")


def test_what_cannot_be_retried_is_said(azk, failed) -> None:
    code, _, err = azk("retry", failed, "--only", "nosuch")
    assert code == 4
    assert "no job 'nosuch' (its jobs: count" in err
    assert azk("retry", "999999")[0] == 4


def test_a_part_of_a_flow_runs_with_the_outputs_of_the_last_success(azk, failed, mended) -> None:
    mended.touch()
    code, out, err = azk("retry", failed, "--from", "count", "--follow", "--json")
    assert code == 0, err
    success = json.loads(out)["execid"]
    for options in (("--only", "whole:inner-use", "--with-downstream"), ("--from", "whole")):
        run = ("--debug", "run", PROJECT, "end", "--prop", "rows=5", *options)
        code, out, err = azk(*run, "--follow", "--json")
        assert code == 0, err
        asked = re.findall(r"^GET .*(?:nodedata|prop=).*(?= -> )", err, re.MULTILINE)
        assert asked
        assert len(asked) == len(set(asked)), "properties were asked twice"
        assert err.count("ajax=fetchflowgraph") == 2  # to choose by, and as it starts
        assert f"with their outputs of execution {success}: text, total" in err
        states = {one["id"]: one["status"] for one in json.loads(out)["jobs"]}
        assert states == {"count": "SKIPPED", "whole": "SUCCEEDED", "end": "SUCCEEDED"}
