"""Where the gradebook is: in a SQLite file, or on a PostgreSQL server, whose password no message may show."""

from importlib.util import find_spec

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from grading.course.errors import CourseError

PATIENCE = 60  # seconds until a gradebook that another program has locked is given up
SETTING = "nbgrader_config.py: c.CourseDirectory.db_url"


def parse(text: str, setting: str = SETTING) -> URL:
    """The parts of a gradebook's URL. A password in its query is moved to where SQLAlchemy hides it.

    Args:
        setting: where the URL is from, for messages.

    Raises:
        CourseError: it is neither one of SQLite nor of PostgreSQL with psycopg, or psycopg is missing.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # its own words may hold a part of the password
        raise CourseError(_unreadable(setting)) from None
    backend = url.get_backend_name()
    if backend == "sqlite":
        return url
    if url.drivername not in ("postgresql", "postgresql+psycopg"):
        raise CourseError(
            f"{setting}: should begin with sqlite:/// or postgresql+psycopg://, and begins with {url.drivername}://."
        )
    if "@" in (url.host or "") or not url.database:
        raise CourseError(_unreadable(setting))
    if find_spec("psycopg") is None:
        raise CourseError(f"{setting}: PostgreSQL needs psycopg. Run: pip install 'psycopg[binary]'")
    if "sslpassword" in url.query:  # pg_dump takes it on its command line only
        raise CourseError(f"{setting}: sslpassword cannot be used. Let sslkey be a key without a password.")
    password = str(url.query["password"]) if "password" in url.query else url.password
    query = {name: value for name, value in url.query.items() if name != "password"}
    return url.set(drivername="postgresql+psycopg", password=password, query=query)


def patient(text: str, setting: str = SETTING) -> str:
    """The URL, and on a server how long to wait: for a connection, for another's lock, for an answer of the network.

    What the URL sets itself stays. Raises as `parse`.
    """
    url = parse(text, setting)
    if url.get_backend_name() == "sqlite":
        return text
    limits = {
        "connect_timeout": "10",  # seconds
        "keepalives_idle": "30",  # seconds
        "tcp_user_timeout": str(PATIENCE * 1000),  # milliseconds
        "options": f"-c lock_timeout={PATIENCE}s",
    }
    own = {name: value for name, value in url.query.items() if name != "options"}
    options = " ".join([limits["options"], str(url.query.get("options", ""))]).strip()  # of two settings the last holds
    return url.set(query={**limits, **own, "options": options}).render_as_string(hide_password=False)


def _unreadable(setting: str) -> str:
    return (
        f"{setting}: cannot be read. It should be like postgresql+psycopg://user:password@host:5432/database; "
        "in the password write @ as %40, / as %2F, : as %3A and % as %25."
    )
