"""CI runs the commands of the README."""

from tests.conftest import ROOT


def test_ci_runs_the_commands_of_the_readme():
    ci, readme = (ROOT / ".ci" / "run").read_text(), (ROOT / "README.md").read_text()
    for command in ("make check", "make test"):
        assert command in ci
        assert command in readme
    assert "bash .ci/run" in (ROOT / ".github" / "workflows" / "ci.yml").read_text()
