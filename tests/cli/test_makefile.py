"""What `make` says before it runs anything."""

import subprocess

import pytest

from tests.conftest import ROOT


def make(*words: str) -> subprocess.CompletedProcess[str]:
    line = ["make", "--no-print-directory", "--dry-run", "PYTHON=python", *words]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


def test_watch_refuses_a_cluster_with_a_sentence():
    refused = make("watch", "CLUSTER=tls://host:8786")
    assert refused.returncode == 2 and refused.stdout == ""
    assert "make watch grades on the machine where it runs. Leave out CLUSTER, or use make grade" in refused.stderr
    assert make("watch").returncode == 0


@pytest.mark.parametrize("target", ["feedback", "report", "mutants", "demo"])
def test_what_takes_no_cluster_says_so(target: str):
    done = make(target, "CLUSTER=tls://host:8786")
    assert done.returncode == 0 and done.stdout
    assert f"CLUSTER is for grade, regrade, doctor and bench: make {target} runs on this machine only" in done.stderr
    assert make(target).stderr == ""


@pytest.mark.parametrize("target", ["grade", "regrade", "doctor", "bench"])
def test_what_takes_a_cluster_gets_it(target: str):
    done = make(target, "CLUSTER=yes")
    assert done.stderr == "" and "--cluster" in done.stdout
