"""The distribution: four top-level packages, never uploaded, and what an installed gateway needs in it."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"adapters", "asn1", "config", "iso_gateway"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    target = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = target.glob("*.whl")
    return zipfile.ZipFile(built)


def test_wheel_holds_exactly_the_four_packages(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/", 1)[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES


def test_wheel_holds_the_files_that_the_code_reads(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    for wanted in (
        "config/partners/sfu.toml",
        "config/profiles/relais.toml",
        "config/profiles/alma.toml",
        "config/templates/gateway.toml",
        "iso_gateway/simulation/demo-staff.toml",
        "iso_gateway/simulation/scenarios/prompt-lender.toml",
        "iso_gateway/store/migrations/env.py",
    ):
        assert wanted in names
    assert any(name.startswith("iso_gateway/store/migrations/versions/") for name in names)
    assert all(f"{package}/py.typed" in names for package in PACKAGES)


def test_distribution_is_marked_as_private() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "Private :: Do Not Upload" in project["classifiers"]
    assert project["license"] == "Apache-2.0"


def test_constraints_are_names_and_versions_only() -> None:
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        name, equals, version = line.partition("==")
        assert name
        assert equals == "=="
        assert version
        assert not set(line) & set("/@:;")


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    pinned = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    }
    for requirement in wanted:
        name = requirement.split(">")[0].split("[")[0].lower().replace("_", "-")
        assert name in pinned, f"{name} is not in constraints.txt"
