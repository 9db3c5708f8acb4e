"""The same versions everywhere, and the same commands."""

import tomllib

from tests.conftest import ROOT


def pinned_by_conda() -> set[str]:
    lines = (ROOT / "environment.yml").read_text().split("- pip:")[1].splitlines()
    return {line.strip().removeprefix("- ") for line in lines if line.strip().startswith("- ")}


def test_conda_and_pip_install_the_same_versions():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert pinned_by_conda() == set(project["dependencies"])


def test_every_version_is_pinned():
    assert all("==" in line for line in pinned_by_conda())


def test_ci_runs_the_commands_of_the_readme():
    ci, readme = (ROOT / ".ci" / "run").read_text(), (ROOT / "README.md").read_text()
    for command in ("make check", "make test"):
        assert command in ci
        assert command in readme
    assert "bash .ci/run" in (ROOT / ".github" / "workflows" / "ci.yml").read_text()
