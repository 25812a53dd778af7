"""How many characters the columns of Azkaban's database keep; no release keeps fewer."""

from __future__ import annotations

__all__ = ["DESCRIPTION", "FLOW", "JOB", "PROJECT", "PROPERTIES", "USER", "ZIP"]

PROJECT = 64  # projects.name
DESCRIPTION = 255  # projects.description
USER = 64  # projects.last_modified_by, project_permissions.name
ZIP = 128  # project_versions.file_name
FLOW = 128  # project_flows.flow_id
JOB = 128  # execution_logs.name; of an embedded flow's job, with the names around it
PROPERTIES = 255  # project_properties.name: the path of a file in the project
