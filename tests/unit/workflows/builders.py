"""Workflow texts for tests: a test writes only what it is about."""

import textwrap
from pathlib import Path

from workflows.loader import load_folder, load_text
from workflows.workflow import Workflow, WorkflowSet

PROMPTS = "prompts:\n  cj:\n    system: You are CJ.\n"


def text(body: str = "", *, name: str = "greeting") -> str:
    """A workflow's text; `body` goes between its description and its prompt."""
    return f"name: {name}\ndescription: For a test\n{textwrap.dedent(body).lstrip()}{PROMPTS}"


def workflow(body: str = "", *, name: str = "greeting") -> Workflow:
    """A loaded workflow."""
    return load_text(text(body, name=name), file=f"{name}.yaml")


def folder(path: Path, **bodies: str) -> WorkflowSet:
    """Several workflows, by name, written to a folder and loaded from it."""
    for name, body in bodies.items():
        (path / f"{name}.yaml").write_text(text(body, name=name))
    return load_folder(path)
