"""The dialog that runs a flow shows what the flow's jobs declare of their parameters."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from azkaban_client.flow.collect import collect
from azkaban_client.flow.form import with_form
from tests.browser.conftest import numbers
from tests.browser.test_later_server import NAV, Later, later, show

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.browser.console import Console

__all__ = ["later"]

FILES = {
    "sales.py": """
from datetime import date, timedelta
from typing import Annotated, Literal
from azkaban_client.job import Param, Run, Secret, job

@job
def main(
    run: Run,
    day: date,
    rows: Annotated[int, Param("How many <rows> to read.", ge=1, le=50)] = 9,
    cell: Literal["lstm", "gru"] = "lstm",
    dry: bool = False,
    token: Secret | None = None,
    shops: tuple[str, ...] = (),
    wait: timedelta | None = None,
):
    run.log(f"{day} {rows} {cell} {dry} {wait}")

main.start()
""",
    "sales.job": "type=command\ncommand=${python} sales.py\n"
    "sales.day=${day}\nsales.rows=${rows}\nsales.cell=${cell}\n",
    "sales.properties": "rows=10\ncell=gru\n",
}


def test_types_choices_bounds_and_help_of_the_jobs(
    browse: Callable[[str], Console], tmp_path: Path
) -> None:
    source = tmp_path / "sales"
    source.mkdir()
    for name, text in FILES.items():
        (source / name).write_text(text)
    bundle = with_form(collect(source))
    files = {name: bundle.read(name).decode() for name in bundle.names}
    console = browse("admin")
    project = f"form{next(numbers):03}"
    console.make_project(project, files, tmp_path)
    page = console.open(f"flow/{project}/sales")
    console.button("Run").click()
    dialog = console.in_dialog()

    rows = dialog.get_by_label("rows", exact=True)
    expect(rows).to_have_attribute("placeholder", "10")
    expect(rows).to_have_accessible_description(
        "How many <rows> to read. An integer >= 1 and <= 50."
    )
    cell = dialog.get_by_label("cell", exact=True)
    assert cell.locator("option").all_text_contents() == ["gru", "lstm", "gru"]
    expect(dialog.get_by_text("azk.form")).to_have_count(0)

    # What the job would refuse does not reach the server.
    day, submit = dialog.get_by_label("day", exact=True), dialog.locator("button[type=submit]")
    for control, bad, good, words in (
        (day, "2026-02-30", "2026-02-28", "Expected a date (2026-11-30, today, yesterday)."),
        (rows, "51", "${number}", "Expected an integer >= 1 and <= 50."),
        (rows, "1e1", "50", "Expected an integer >= 1 and <= 50."),
    ):
        control.fill(bad)
        submit.click()
        expect(dialog).to_be_visible()
        assert control.evaluate("input => input.validationMessage") == words
        control.fill(good)
        assert control.evaluate("input => input.validationMessage") == ""
    day.fill("")
    submit.click()
    assert day.evaluate("input => input.validity.valueMissing")  # it has no default
    dialog.get_by_label("From the calendar").fill("2026-11-30")
    expect(day).to_have_value("2026-11-30")

    cell.select_option("lstm")
    dialog.locator("summary", has_text="4 more").click()
    dialog.get_by_label("sales.dry", exact=True).select_option("true")
    token = dialog.get_by_label("sales.token", exact=True)
    token.fill("abc")
    dialog.locator("summary", has_text="4 more").click()
    submit.click()  # opens what hides the wrong value
    expect(token).to_be_visible()
    token.fill("")
    dialog.get_by_label("sales.wait", exact=True).fill("1h30m")
    console.confirm()
    run = console.execution()
    console.wait_for_status("Succeeded")
    console.open(f"job/{run}/sales")
    expect(page.get_by_role("log")).to_contain_text("2026-11-30 50 lstm True 1:30:00")


@pytest.mark.parametrize("window", ["desktop"])
@pytest.mark.parametrize(
    "form",
    [
        {"rows": {"type": "integer", "ge": 1, "doc": "To read."}},
        {"rows": None, "x": [1]},
        [1],
        "no JSON",
    ],
)
def test_a_flow_of_2_0_tells_them_in_its_config(later: tuple[Page, Later], form: object) -> None:
    page, server = later
    text = form if isinstance(form, str) else json.dumps(form)
    pairs = {"rows": "10", "azk.form": text, "type": "flow"}
    server.pages["manager"] = (
        f'{NAV}<a href="/manager?project=rec56548&flow=b&job=b&prop=b.flow">b.flow</a><table>'
        + "".join(
            f'<tr><td class="property-key">{key}</td><td>{html.escape(value)}</td></tr>'
            for key, value in pairs.items()
        )
        + "</table>"
        + server.pages["manager"]
    )
    show(page, "flow/rec56548/b")
    page.get_by_role("button", name="Run", exact=True).click()
    rows = page.get_by_role("dialog").get_by_label("rows", exact=True)
    expect(rows).to_have_attribute("placeholder", "10")
    typed = isinstance(form, dict) and form["rows"] is not None
    expect(rows).to_have_accessible_description("To read. An integer >= 1." if typed else "")
    rows.fill("0")
    said = rows.evaluate("input => input.validationMessage")
    assert said == ("Expected an integer >= 1." if typed else "")
    names = page.get_by_role("dialog").locator(".parameter code").all_text_contents()
    assert names == ["rows"]
