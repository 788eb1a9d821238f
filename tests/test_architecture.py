"""The shape of the project: one import direction, no print, and documents that name what is there."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from kb.settings import Settings
from kb.taxonomy import default_taxonomy
from tests.conftest import ROOT

MODULES = sorted(path for folder in ("src/kb", "api") for path in (ROOT / folder).rglob("*.py"))


def layers() -> list[str]:
    """The modules in the order of the import contract, from the top down."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    ordered = next(contract for contract in contracts if contract["name"].startswith("one direction"))["layers"]
    return [name.strip() for line in ordered for name in line.split("|")]


def imports(path: Path) -> set[str]:
    """The modules of ours that a file imports, by their first two names: kb.store."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {".".join(name.split(".")[:2]) for name in names if name.split(".")[0] in ("kb", "api")}
    return found & {*layers(), *(name for name in found if name.startswith("api"))}


def test_the_import_contracts_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_module_has_its_place_in_the_order() -> None:
    names = {f"kb.{path.stem}" for path in (ROOT / "src/kb").glob("*.py") if path.stem != "__init__"}
    names |= {f"kb.{path.parent.name}" for path in (ROOT / "src/kb").glob("*/__init__.py")}
    assert names == set(layers())


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_imports_one_above_it(path: Path) -> None:
    if path.is_relative_to(ROOT / "api"):
        return  # the api stands above all of kb
    order = layers()
    me = "kb." + path.relative_to(ROOT / "src/kb").with_suffix("").parts[0]
    if me == "kb.__init__":
        return
    above = set(order[: order.index(me)])
    assert not imports(path) & above
    assert not any(name.startswith("api") for name in imports(path))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_says_its_job_in_its_first_line(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    assert docstring


def test_every_module_is_in_the_drawing() -> None:
    drawing = (ROOT / "docs/architecture.md").read_text("utf-8")
    for name in layers():
        assert f"`{name.removeprefix('kb.')}" in drawing, name


def test_every_command_and_setting_is_documented() -> None:
    from kb.cli import app

    told = (ROOT / "README.md").read_text("utf-8") + (ROOT / "docs/usage.md").read_text("utf-8")
    for command in app.registered_commands:
        name = command.name or (command.callback.__name__ if command.callback else "")
        assert f"kb {name}" in told, name
    for field in Settings.model_fields:
        assert f"KB_{field.upper()}" in told, field


def test_readme_names_only_make_targets_that_there_are() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z]+)", (ROOT / "README.md").read_text("utf-8")))
    assert named <= targets
    assert {"setup", "up", "test", "check"} <= targets


def test_the_taxonomy_has_six_dimensions_and_each_has_topics() -> None:
    taxonomy = default_taxonomy()
    assert [dimension.id for dimension in taxonomy.dimensions] == ["战略", "组织", "技术", "应用", "数据", "生态"]
    for dimension in taxonomy.dimensions:
        assert any(topic.dimension == dimension.id for topic in taxonomy.topics)
    assert len(taxonomy.topics) == 32
