"""What the columns of Azkaban's database keep, as its own definitions say."""

from __future__ import annotations

import re

import pytest

from azkaban_client import columns
from setup.layout import CHECKOUT

COLUMNS = {
    "PROJECT": ("projects.name",),
    "DESCRIPTION": ("projects.description",),
    "USER": ("projects.last_modified_by", "project_permissions.name"),
    "ZIP": ("project_versions.file_name",),
    "FLOW": ("project_flows.flow_id", "execution_flows.flow_id"),
    "JOB": ("execution_logs.name", "execution_jobs.job_id"),
    "PROPERTIES": ("project_properties.name",),
}


def defined(column: str) -> int:
    table, name = column.split(".")
    text = (CHECKOUT / f"setup/azkaban/sql/create.{table}.sql").read_text()
    found = re.search(rf"^\s+{name} VARCHAR\((\d+)\)", text, re.MULTILINE)
    assert found, column
    return int(found[1])


@pytest.mark.parametrize("limit", columns.__all__)
def test_limits_are_those_of_the_columns(limit: str) -> None:
    assert {defined(column) for column in COLUMNS[limit]} == {getattr(columns, limit)}


@pytest.mark.parametrize(
    ("view", "field", "limit"),
    [
        ("projects", "name", "PROJECT"),
        ("projects", "description", "DESCRIPTION"),
        ("project", "description", "DESCRIPTION"),
    ],
)
def test_the_console_has_the_same_limits(view: str, field: str, limit: str) -> None:
    text = (CHECKOUT / f"console/views/{view}.js").read_text()
    found = re.search(rf"name: '{field}',[^}}]*maxlength: (\d+)", text)
    assert found
    assert int(found[1]) == getattr(columns, limit)
