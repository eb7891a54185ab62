"""The shape of the house: what lies at the top, what goes into the wheel, who mirrors whom."""

from __future__ import annotations

import ast
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[1]
PACKAGES = ("engine", "streaming", "export")

TOP_LEVEL = {
    "CHANGELOG.md", "LICENSE", "Makefile", "README.md",
    "benchmarks", "engine", "export", "pyproject.toml", "streaming", "tests",
}  # fmt: skip

UNMIRRORED: dict[str, str] = {}
"""Source files without a test file of their own, and why."""


def visible_top_level() -> set[str]:
    """Names at the top that are neither hidden (tools leave such behind) nor ignored."""
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    ignored = {line.strip().strip("/") for line in lines if line.strip()}
    return {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - ignored


def sources(package: str) -> Iterator[Path]:
    """Source files of a package, relative to the root."""
    for path in sorted((ROOT / package).rglob("*.py")):
        if path.name not in ("__init__.py", "__main__.py"):
            yield path.relative_to(ROOT)


def test_top_level_is_the_house_plan() -> None:
    assert visible_top_level() == TOP_LEVEL
    assert (ROOT / ".ci" / "run").is_file()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_source_file_has_its_test_file(package: str) -> None:
    missing = []
    for source in sources(package):
        if source.as_posix() in UNMIRRORED:
            continue
        mirror = ROOT / "tests" / source.parent
        if not list(mirror.glob(f"test_{source.stem}*.py")):
            missing.append(source.as_posix())
    assert not missing, f"no tests/…/test_NAME.py for {missing}"


def test_exceptions_to_the_mirror_exist_and_have_reasons() -> None:
    for name, reason in UNMIRRORED.items():
        assert (ROOT / name).is_file(), f"{name} is listed and gone"
        assert len(reason) > 10


def test_no_file_has_a_name_that_says_nothing() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "manager", "handler", "misc"}
    assert [path for package in PACKAGES for path in sources(package) if path.stem in vague] == []


def test_no_other_distribution_installs_our_package_names() -> None:
    owners = metadata.packages_distributions()
    for package in PACKAGES:
        strangers = set(owners.get(package, [])) - {"winnow-live"}
        assert not strangers, f"{strangers} install a package named {package!r}, which hides ours"


def test_the_environment_is_read_in_one_place() -> None:
    readers = []
    for package in PACKAGES:
        for source in sources(package):
            tree = ast.parse((ROOT / source).read_text(encoding="utf-8"))
            names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
            if names & {"environ", "getenv"}:
                readers.append(source.as_posix())
    # Gloo takes the network interface from nowhere else: training's workers set it, and read nothing.
    assert set(readers) <= {"streaming/settings.py", "export/train/workers.py"}


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names inside a wheel built from this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(built) as wheel:
        return wheel.namelist()


def test_wheel_holds_the_three_packages_and_nothing_else(wheel_names: list[str]) -> None:
    tops = {name.split("/")[0] for name in wheel_names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_wheel_holds_the_data_that_the_packages_read(wheel_names: list[str]) -> None:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            relative = path.relative_to(ROOT)
            if path.is_dir() or "__pycache__" in relative.parts or "checkpoints" in relative.parts:
                continue
            assert relative.as_posix() in wheel_names


def test_wheel_brings_models_scene_and_protocol(wheel_names: list[str]) -> None:
    for needed in (
        "engine/models/identity/spec.json",
        "engine/models/linear192/spec.json",
        "engine/models/linear192/CARD.md",
        "streaming/PROTOCOL.md",
    ):
        assert needed in wheel_names
    assert any(name.startswith("streaming/demo_scene/") for name in wheel_names)


def test_wheel_leaves_training_checkpoints_out(wheel_names: list[str]) -> None:
    assert not [name for name in wheel_names if "checkpoints" in name or name.endswith((".pt", ".pth"))]


def test_readme_names_the_two_commands_a_visitor_needs() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in readme
    assert "make test" in readme


def test_every_benchmark_explains_its_regime() -> None:
    for path in sorted((ROOT / "benchmarks").glob("[a-z]*.py")):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        assert len(text) > 200, f"{path.name}: the docstring explains question, regime and floor"
