"""What the entry points change in their own process, and that importing changes nothing."""

import os
import subprocess
import sys

CODE = """
import os, sys
before = sys.executable, dict(os.environ)
import grading, grading.course.folder, grading.run.grade, grading.kernels.zygote_client
assert before == (sys.executable, dict(os.environ))
assert sys.modules.get("rfc3987_syntax", "") is not None
"""


def run(code: str, **environment: str) -> str:
    line = [sys.executable, "-c", code]
    return subprocess.run(line, capture_output=True, text=True, check=True, env={**os.environ, **environment}).stdout


def test_importing_changes_nothing_outside():
    run(CODE, PATH="/usr/bin:/bin")


def test_jsonschema_builds_no_grammar():
    code = "from grading.compat.process import spare_grammar; spare_grammar(); import jsonschema, sys; "
    code += "jsonschema.FormatChecker().check('2020-01-01', 'date'); print(sys.modules['rfc3987_syntax'])"
    assert run(code) == "None\n"


def test_nbgraders_programs_are_found():
    code = "import shutil; from grading.compat.process import find_alembic; assert not shutil.which('alembic'); "
    code += "find_alembic(); find_alembic(); print(shutil.which('alembic'))"
    assert run(code, PATH="/usr/bin:/bin").strip() == f"{os.path.dirname(sys.executable)}/alembic"  # noqa: PTH120
