"""A JupyterHub for one course on one machine: students in a small environment, instructors in the course's own.

Every path and name is read from the environment, with a default for /srv and /opt, so that the tests can use this file.
"""

import os
import pwd
from pathlib import Path

c = get_config()  # noqa: F821 - traitlets provides it

COURSE = Path(os.environ.get("COURSE_FOLDER", "/srv/optimization"))  # the instructors' checkout, with its .venv
STUDENT_ENV = Path(os.environ.get("STUDENT_ENV", "/opt/optimization-student"))
INSTRUCTORS = set(os.environ.get("COURSE_INSTRUCTORS", "instructor").split())

c.JupyterHub.bind_url = os.environ.get("HUB_URL", "http://127.0.0.1:8000")
c.JupyterHub.authenticator_class = "pam"  # the machine's own users and passwords
c.Authenticator.allow_all = True
c.Authenticator.admin_users = INSTRUCTORS

c.Spawner.default_url = "/lab"
c.Spawner.mem_limit = "2G"
c.Spawner.environment = {"OMP_NUM_THREADS": "1"}

# JupyterLab shows formgrader in a frame, and JupyterHub forbids frames unless told otherwise.
FRAMES = """--ServerApp.tornado_settings={'headers': {'Content-Security-Policy': "frame-ancestors 'self'"}}"""


def for_user(spawner):
    """Instructors work in the course folder, with formgrader; students in their home folder, without."""
    if spawner.user.name in INSTRUCTORS:
        # nbgrader reads its settings from the folder in which a server starts.
        start = 'cd "$0" && exec .venv/bin/jupyterhub-singleuser "$@"'
        spawner.cmd = ["/bin/sh", "-c", start, str(COURSE)]
        spawner.notebook_dir = str(COURSE)
        spawner.args = [FRAMES]
    else:
        spawner.cmd = [str(STUDENT_ENV / "bin" / "jupyterhub-singleuser")]
        spawner.notebook_dir = pwd.getpwnam(spawner.user.name).pw_dir


c.Spawner.pre_spawn_hook = for_user

# With COURSE_WATCHER=instructor the hub runs the grader, as that user, and starts it again if it ends.
# Leave it unset where systemd runs the grader.
if os.environ.get("COURSE_WATCHER"):
    c.JupyterHub.services = [
        {
            "name": "watch",
            "command": [str(COURSE / ".venv" / "bin" / "python"), "-m", "grading", "watch"],
            "cwd": str(COURSE),
            "user": os.environ["COURSE_WATCHER"],
        }
    ]
