"""The rules between the parts, held by reading the code's own imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src/bridge_distill"
STAGES = {"data", "selection", "teacher", "assistant", "student", "evaluation", "report", "export"}
LAYERS = {"models", "guidance", "engine"}
FLOW = {
    "__init__",
    "pipeline",
    "curation",
    "cli",
    "cli_curate",
    "cli_options",
    "cli_select",
    "cli_shrink",
    "cli_store",
    "cli_study",
    "evaluating",
    "place",
    "rounds",
    "__main__",
    "efforts",
    "forecast",
    "improving",
    "kinds",
    "new_questions",
    "operations",
    "status",
    "study",
    "table",
}
MODULES = sorted(SOURCE.rglob("*.py"))


def imports_of(path: Path) -> set[str]:
    """The parts of the package that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("bridge_distill"):
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("bridge_distill.")}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_imports_follow_the_design(path: Path) -> None:
    part = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    imported = imports_of(path) - {part}
    if part in STAGES:
        assert not imported & (STAGES | FLOW), "a stage imports neither a sibling stage nor the flow"
    elif part in LAYERS:
        assert not imported & (STAGES | FLOW), "a layer below knows nothing of the flow"
    elif part not in FLOW:
        assert not imported & (STAGES | FLOW | {"models", "guidance"}), "shared vocabulary stays light and below"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_heavy_libraries_are_imported_inside_functions(path: Path) -> None:
    heavy = {"torch", "transformers", "peft", "datasets", "openai", "plotly", "accelerate"}
    for node in ast.parse(path.read_text()).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not heavy & {name.split(".")[0] for name in names}
