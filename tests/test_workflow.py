"""The workflow of GitHub Actions and `.ci/run`, as far as they can be checked without running them there."""

import re
import subprocess
import tomllib
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

WORKFLOW: dict[Any, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]
STEPS = [(job, step) for job, content in JOBS.items() for step in content["steps"]]
COMMANDS = [(job, step["run"]) for job, step in STEPS if "run" in step]
CI_RUN = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OPTION = re.compile(r"\w+=")


def pythons(job: str) -> list[str]:
    """The versions of Python that a job's matrix names."""
    return [combination["python"] for combination in JOBS[job]["strategy"]["matrix"]["include"]]


def classifiers() -> list[str]:
    """The versions of Python that pyproject.toml names, oldest first."""
    return [name.split(" :: ")[-1] for name in PYPROJECT["project"]["classifiers"] if "Python :: " in name]


@pytest.mark.parametrize("script", [*(run for _, run in COMMANDS), CI_RUN])
def test_bash_can_read_each_script(script: str):
    plain = re.sub(r"\$\{\{.*?\}\}", "value", script)  # GitHub replaces these before bash sees them
    done = subprocess.run(["bash", "-n"], input=plain, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_workflow_may_only_read():
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in JOBS.values())


def test_a_skipped_test_fails_every_job():
    assert WORKFLOW["env"]["REQUIRE_ALL"] == "yes"
    assert not any(
        "REQUIRE_ALL" in content.get("env", {}) for content in [*JOBS.values(), *(step for _, step in STEPS)]
    )


def test_the_oldest_and_the_newest_python_are_those_of_pyproject_and_make():
    known = classifiers()
    assert PYPROJECT["project"]["requires-python"] == f">={known[0]}"
    assert pythons("check-and-test") == pythons("ranges") == [known[0], known[-1]]
    (named,) = re.findall(r"^PYTHONS := python3 (.*)$", MAKEFILE, re.MULTILINE)
    assert named.split() == [f"python{version}" for version in reversed(known)]
    first, last = (tuple(map(int, version.split("."))) for version in (known[0], known[-1]))
    assert f"{first} <= sys.version_info[:2] <= {last}" in MAKEFILE


def test_every_job_allows_bubblewrap_before_it_runs_a_test():
    for job in JOBS:
        runs = [run for name, run in COMMANDS if name == job]
        allowed = next(i for i, run in enumerate(runs) if "apparmor_restrict_unprivileged_userns=0" in run)
        assert allowed < next(i for i, run in enumerate(runs) if ".ci/run" in run)


def test_pip_keeps_a_cache_of_what_decides_the_versions():
    setups = {job: step["with"] for job, step in STEPS if step.get("uses", "").startswith("actions/setup-python@")}
    assert all(setup["cache"] == "pip" for setup in setups.values())
    assert {job: setup["cache-dependency-path"] for job, setup in setups.items()} == {
        "check-and-test": "requirements.lock",
        "ranges": "pyproject.toml",
    }


def test_each_week_the_ends_of_the_ranges_and_the_tests_of_root_run():
    (when,) = WORKFLOW[True]["schedule"]  # YAML 1.1 reads `on` as true
    minute, hour, day, month, weekday = when["cron"].split()
    assert (day, month) == ("*", "*") and all(number.isdecimal() for number in (minute, hour, weekday))
    weekly = {job for job, content in JOBS.items() if "schedule" in content.get("if", "")}
    assert weekly == {"ranges", "root"}
    resolutions = [combination["resolution"] for combination in JOBS["ranges"]["strategy"]["matrix"]["include"]]
    assert resolutions == ["lowest-direct", "highest"]
    assert any(run.startswith("sudo ") and run.endswith(".ci/run test-root") for job, run in COMMANDS if job == "root")


def test_both_kinds_of_bubblewrap_are_tried():
    kinds = [combination["bubblewrap"] for combination in JOBS["check-and-test"]["strategy"]["matrix"]["include"]]
    assert sorted(kinds) == ["bundled", "system"]
    conditions = [step["if"] for job, step in STEPS if job == "check-and-test" and "if" in step]
    assert sorted(conditions) == [f"matrix.bubblewrap == '{kind}'" for kind in sorted(kinds)]


def test_ci_runs_the_commands_of_the_readme_and_make_knows_all_of_them():
    (default,) = re.findall(r"set -- (.*)$", CI_RUN, re.MULTILINE)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert {"check", "test", "test-slow"} <= set(default.split())
    assert "make check" in readme and "make test" in readme
    called = [words for _, run in COMMANDS for words in re.findall(r"bash \.ci/run(.*)$", run, re.MULTILINE)]
    assert len(called) == len(JOBS)
    targets = re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)
    for word in " ".join([default, *called]).split():
        assert word in targets or (OPTION.match(word) and f"{word.split('=')[0]} := " in MAKEFILE), word


def test_debians_packages_are_those_that_a_skipped_test_asks_for():
    installed = set(" ".join(re.findall(r"! install ([\w -]+)", CI_RUN)).split())
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")]
    asked = {
        name
        for text in texts
        for names in re.findall(r"apt-get install ([\w -]+)\"?\)", text)
        for name in names.split()
    }
    assert installed == asked == {"chromium", "postgresql", "slurm-wlm", "munge"}
