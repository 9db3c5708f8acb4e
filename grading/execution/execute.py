"""Execute a submission: visible cells in the student's kernel, hidden tests in this process.

`Execute` replaces nbgrader's preprocessor of that name in `nbgrader_config.py`, so it serves `make grade`, stock
`nbgrader autograde` and formgrader alike. It has the settings, and connects nbclient with the modules that do the work:
`Session` runs cells, even if their kernel ends; `hidden_tests.judge` runs hidden tests.
"""

import ast
import shutil
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Unpack

from jupyter_client.manager import AsyncKernelManager
from nbformat import NotebookNode
from nbformat.v4 import new_output
from traitlets import Bool, Dict, Enum, Integer

from grading.course import notebooks, temporary_folders
from grading.course.catalogue import CatalogueError
from grading.course.folder import Course, complete
from grading.execution import hidden_tests, mismatch_figure
from grading.execution.diagnosis import diagnostician
from grading.execution.kernel_session import Limits, Session
from grading.execution.notebook_kernel import NotebookKernel, seconds_left
from grading.execution.outputs import LimitedOutputs, mend, no_verdict_by_accident, shortened
from grading.execution.skipped_cells import demonstrations
from grading.gradebook import secret
from grading.gradebook.records import TIMED_OUT
from grading.intake.submission import digest
from grading.kernels.channel import prepare
from grading.kernels.cold_kernel import SandboxedKernelManager
from grading.kernels.follower import Followers, Seconds
from grading.kernels.forked_kernel import WarmKernelManager
from grading.kernels.guarded_channel import GuardedChannel, given_texts
from grading.oracle import inputs
from grading.sandbox.watchdog import Guarded, Watchdog

NOT_RUN = {"output_type": "stream", "name": "stdout", "text": "A demonstration: not run while grading.\n"}
FINDINGS = "findings"  # where `resources` has them


@dataclass
class Findings:
    """The results of executing a submission, apart from its outputs.

    Attributes:
        troubles: (state, reason) of each cell that hung or ended Python.
        suspicions: signs that an answer delegates the exercise.
        faults: for each hidden test with a bug, its name, a colon and the traceback.
        cell_seconds: by grade_id, or cell number.
    """

    troubles: list[tuple[str, str]] = field(default_factory=list)
    suspicions: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    cell_seconds: dict[str, float] = field(default_factory=dict)


@dataclass
class _Submission:
    """The submission that is being executed.

    Attributes:
        folder: where its kernels find its files.
        release, source: the assignment's notebooks, as students got it and as the instructor has it; None for a
            notebook that belongs to no assignment.
        inputs: what the inputs of hidden tests depend on.
        skipped: texts of cells that need not run.
        transcripts: the questions and answers of each lost hidden test.
        open: closes the resources of the submission.
        session: None until the first cell runs.
        exercises: the exercise of each test cell.
        hung: exercises of which a test has run out of time.
    """

    folder: Path
    release: NotebookNode | None
    source: Path | None
    inputs: inputs.Key
    skipped: set[str]
    findings: Findings
    open: ExitStack
    transcripts: dict[str, list] = field(default_factory=dict)
    session: Session[NotebookKernel] | None = None
    followers: Followers | None = None
    exercises: dict[str, str] = field(default_factory=dict)
    hung: set[str] = field(default_factory=set)

    @property
    def kernel(self) -> NotebookKernel:
        """The current kernel."""
        assert self.session is not None  # it begins with the first cell
        return self.session.kernel

    @cached_property
    def given(self) -> set[str]:
        """The texts of the release's cells that are not the student's to fill."""
        return given_texts(_cells(self.release))


class Execute(LimitedOutputs):
    """nbgrader's `Execute` with hidden tests out of the student's reach.

    The visible part of a test cell runs in the student's kernel. If it passes, the hidden part runs here, with
    `student` asking that kernel for plain data. A cell that hangs or kills its kernel fails alone: the cells after
    it run in a fresh kernel in which the earlier healthy ones have run again.
    """

    interrupt_on_timeout = Bool(False).tag(config=True)
    error_on_timeout = Dict({}).tag(config=True)
    record_timing = Bool(False).tag(config=True)  # times in a notebook would differ from run to run
    shutdown_kernel = Enum(["graceful", "immediate"], default_value="immediate").tag(config=True)
    sandbox = Enum(["bwrap", "none"], default_value="bwrap", help="Isolate students' code, or not.").tag(config=True)
    warm = Bool(True, help="Fork kernels from an interpreter that has imported everything.").tag(config=True)
    demonstrations = Bool(False, help="Run the cells tagged as demonstrations, too.").tag(config=True)
    question_timeout = Integer(20, help="Seconds that one question of a hidden test may take.").tag(config=True)
    hung_timeout = Integer(
        5, help="Seconds for a further test, and each of its questions, of an exercise that has run out of time."
    ).tag(config=True)
    max_restarts = Integer(20, help="Fresh kernels a submission may use up.").tag(config=True)
    max_seconds = Integer(600, help="Seconds for all cells of a submission together.").tag(config=True)
    max_memory = Integer(2 * 2**30, help="Bytes in memory for a kernel and all that it starts.").tag(config=True)
    max_disk = Integer(64 * 2**20, help="Bytes on disk, not counting the scratch folder in memory.").tag(config=True)
    max_message = Integer(20_000_000, help="Bytes of one message from a kernel; more is not received.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict, km: object = None) -> tuple[NotebookNode, dict]:
        """Run all cells. The outputs are in the notebook, and the `Findings` in `resources["findings"]`.

        Raises:
            CourseError: the release or the source of the assignment is missing, or the course's secret: nothing could
                be judged.
            Exception: a bug in the grader; there is no result.
        """
        place, findings = resources.setdefault("metadata", {}), Findings()
        folder = place.get("path") or "."
        names = resources.get("nbgrader", {})
        release, source = self._notebooks(names)
        drawn_by = names["inputs"] if "inputs" in names else self._inputs(names)
        released = release.cells if release is not None else []
        skipped = set() if self.demonstrations else demonstrations(nb.cells, released)
        self.text_room, self.room = 0, self.max_output
        with ExitStack() as stack:
            name = temporary_folders.prefix("submission")
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=name, ignore_cleanup_errors=True)))
            _stage(Path(folder), scratch)
            place["path"] = str(scratch)
            self._at_hand = _Submission(scratch, release, source, drawn_by, skipped, findings, stack)
            self._at_hand.exercises = {test: e for e, own in notebooks.tests_of(nb).items() for test in own}
            try:
                nb, resources = super().preprocess(nb, resources, km)
                self._name_mistakes(nb)
            finally:
                place["path"] = folder
        resources[FINDINGS] = findings
        return nb, resources

    def _notebooks(self, names: dict) -> tuple[NotebookNode | None, Path | None]:
        """The release and the source of an assignment, by nbgrader's names for it."""
        if not names.get("assignment"):
            return None, None
        root = Path(self.config.CourseDirectory.get("root", "."))
        release, source = complete(root, names["assignment"], names.get("notebook", ""))
        return notebooks.read_once(release), source.resolve()

    def _inputs(self, names: dict) -> inputs.Key:
        """What the inputs of hidden tests depend on, where nbgrader's own command runs: it has read the notebook."""
        if not names.get("assignment"):
            return 0
        course = Course(Path(self.config.CourseDirectory.get("root", ".")).resolve())
        coursedir, student, assignment = course.coursedir, names["student"], names["assignment"]
        folder = Path(coursedir.format_path(coursedir.submitted_directory, student, assignment))
        return inputs.key(secret.of(course), student, assignment, digest(folder / f"{names['notebook']}.ipynb"))

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple[NotebookNode, dict]:
        work, is_test = self._at_hand, notebooks.kind(cell) == "test"
        cell.metadata.pop("grading", None)  # only the grader writes results
        if is_test:  # a test that does not run would get full points, so it runs whatever its tags say
            cell.metadata.tags = [tag for tag in cell.metadata.get("tags", []) if tag != self.skip_cells_with_tag]
        if cell.cell_type != "code" or self.skip_cells_with_tag in cell.metadata.get("tags", []):
            return cell, resources
        if cell.source in work.skipped and not is_test:
            cell.outputs = [NotebookNode(NOT_RUN)]
            return cell, resources
        began = time.monotonic()
        session = work.session or self._begin(work)
        run = partial(self._run_test if is_test else self._run_cell, cell, index)
        session.limits = replace(session.limits, cell_seconds=self._at_most(cell, self.timeout))
        for trouble in session.run(cell, index, run, keep=not is_test):
            _fail(trouble.cell, trouble.name, trouble.message)
            if trouble.state:
                reason = f"{_label(trouble.cell, trouble.index)}: {trouble.message}"
                work.findings.troubles.append((trouble.state, reason))
            if trouble.state == TIMED_OUT and trouble.cell is cell:
                work.hung.add(work.exercises.get(notebooks.grade_id(cell) or "", ""))
        work.findings.cell_seconds[_label(cell, index)] = time.monotonic() - began
        mend(cell)
        no_verdict_by_accident(cell)
        return cell, resources

    def _run_cell(self, cell: NotebookNode, index: int) -> None:
        self.text_room = self.max_text
        self._at_hand.kernel.run(cell, index)

    def _run_test(self, cell: NotebookNode, index: int) -> None:
        """Run the visible part in the kernel and the hidden part here."""
        source = cell.source
        cell.source, hidden = notebooks.split_hidden(source)
        cell.outputs = []  # of a first attempt that ended the kernel
        try:
            if _says_anything(cell.source):
                self._run_cell(cell, index)
        finally:
            cell.source = source
        if hidden.strip():
            self._run_hidden(cell, hidden)

    def _run_hidden(self, cell: NotebookNode, hidden: str) -> None:
        """Run a hidden part here. If the visible part has failed, it only serves to show and name the mistake."""
        failed = _error(cell)
        if failed is not None and "NotImplementedError" in failed.ename + failed.evalue:
            return
        work, name = self._at_hand, notebooks.grade_id(cell) or ""
        work.kernel.channel.seconds = seconds = self._at_most(cell, self.question_timeout) or self.question_timeout
        if work.followers is not None:
            work.followers.limit(seconds)
        channel = GuardedChannel(work.kernel.channel, work.followers, work.given)
        verdict = hidden_tests.judge(hidden, f"<hidden part of {name}>", channel, work.inputs)
        if verdict.suspicion:
            work.findings.suspicions.append(f"{name}: {verdict.suspicion}")
        if verdict.fault:
            work.findings.faults.append(f"{name}: {verdict.fault}")
            if failed is None:
                _needs_person(cell, verdict.fault)
        elif verdict.error is not None:
            work.transcripts[name] = verdict.transcript
            cell.outputs.extend(mismatch_figure.outputs(verdict.error))
            if failed is None:
                _fail(cell, type(verdict.error).__name__, "\n".join([str(verdict.error), *verdict.remarks]))
        if verdict.ended is not None:
            raise verdict.ended

    def _name_mistakes(self, nb: NotebookNode) -> None:
        """Find the mistakes of the catalogue that answer like this student, and add them to cells and messages."""
        transcripts, cells = self._at_hand.transcripts, notebooks.by_id(nb)
        if self._at_hand.source is None or not transcripts:
            return
        try:
            known = diagnostician(self._at_hand.source)
        except CatalogueError as error:  # `make check` reports it; it must cost no student a point
            self.log.error("%s", error)
            return
        failed = {test: output for test, cell in cells.items() if (output := _error(cell)) is not None}
        for exercise, tests in notebooks.tests_of(known.notebook).items():
            if any("fault" in cells[test].metadata.get("grading", {}) for test in tests if test in cells):
                continue  # it is unknown whether the student loses that test
            entry = known.name(exercise, transcripts, failed.keys())
            if entry is None:
                continue
            for test in tests:
                if test in failed:
                    cells[test].metadata["grading"] = {"mistake": entry.name}
                    failed[test].evalue = "\n".join([failed[test].evalue, *entry.told()])
                    failed[test].traceback = [*failed[test].traceback, *entry.told()]

    # Methods that `NotebookKernel` calls

    def create_kernel_manager(self) -> AsyncKernelManager:
        """A kernel in the sandbox, forked from a warm interpreter if wanted; or a plain one with private sockets."""
        if self.sandbox == "none":
            self.kernel_manager_class = AsyncKernelManager
        else:
            self.kernel_manager_class = WarmKernelManager if self.warm else SandboxedKernelManager
        manager = super().create_kernel_manager()
        prepare(manager, self.max_message)
        if self.sandbox == "none":
            sockets = tempfile.TemporaryDirectory(
                prefix=temporary_folders.prefix("kernel"),
                dir=temporary_folders.for_sockets(),
                ignore_cleanup_errors=True,
            )
            manager.transport, manager.ip = "ipc", f"{self._at_hand.open.enter_context(sockets)}/s"
        else:
            manager.files = str(self._at_hand.folder)
        return manager

    def seconds_for(self, cell: NotebookNode | None, configured: float | None = None) -> float:
        session = self._at_hand.session
        left = seconds_left(session.deadline) if session is not None else float(self.max_seconds)
        return min(self._at_most(cell, configured or self.timeout) or left, left)

    def _at_most(self, cell: NotebookNode | None, seconds: float | None) -> float | None:
        """Seconds for a cell, or a question of it: fewer after a test of the same exercise has run out of time.

        Most likely the same loop would run again; code that ends takes a fraction of a second.
        """
        work, name = self._at_hand, notebooks.grade_id(cell) if cell is not None else None
        if name is None or work.exercises.get(name, "") not in work.hung - {""}:
            return seconds
        return min(seconds or self.hung_timeout, self.hung_timeout)

    def _begin(self, work: _Submission) -> Session[NotebookKernel]:
        """Start a session in the kernel that nbclient has started, with followers for update rules."""
        sources: list[str] = []
        limits = Limits(self.max_restarts, self.timeout, self.max_seconds)
        deadline = time.monotonic() + self.max_seconds
        work.session = Session(partial(self._kernel, sources, deadline), limits, sources)
        work.open.callback(lambda: work.kernel.let_go())
        if self.sandbox != "none":
            seconds = Seconds(self.question_timeout, self.timeout or self.max_seconds, self.max_seconds, deadline)
            work.followers = Followers(work.folder, sources, seconds, self.warm, self._watch)
            work.open.callback(work.followers.close)
        return work.session

    def _kernel(self, sources: list[str], deadline: float) -> NotebookKernel:
        """The kernel that has been started, or a fresh one if that has been stopped."""
        if self.km is None:
            self.km = self.create_kernel_manager()
            self.start_new_kernel(cwd=str(self._at_hand.folder))
            self.start_new_kernel_client()
        guard = None
        if self.sandbox != "none":
            assert isinstance(self.km, (SandboxedKernelManager, WarmKernelManager))  # see `create_kernel_manager`
            guard = self._watch(**self.km.guarded)
        return NotebookKernel(self, sources, guard, deadline)

    def _watch(self, **guarded: Unpack[Guarded]) -> Watchdog:
        guard = Watchdog(**guarded, memory=self.max_memory, disk=self.max_disk)
        guard.start()
        return guard


def _error(cell: NotebookNode) -> NotebookNode | None:
    """The first error that a cell shows."""
    return next((output for output in cell.get("outputs", []) if output.output_type == "error"), None)


def _fail(cell: NotebookNode, name: str, message: str) -> None:
    message = shortened(message)
    lines = message.splitlines() or [name]
    cell.outputs.append(new_output("error", ename=name, evalue=message, traceback=lines))


def _needs_person(cell: NotebookNode, fault: str) -> None:
    """Leave a test without points until a person has looked at it: the hidden test has a bug."""
    cell.metadata["grading"] = {"fault": fault.strip().splitlines()[-1]}
    text = "This hidden test itself failed. It is not your fault: your instructor will grade your answer.\n"
    cell.outputs.append(new_output("stream", name="stdout", text=text))


def _label(cell: NotebookNode, index: int) -> str:
    """What a cell is called in reports."""
    return notebooks.grade_id(cell) or f"cell {index + 1}"


def _cells(notebook: NotebookNode | None) -> list[NotebookNode]:
    return notebook.cells if notebook is not None else []


@lru_cache(maxsize=1024)
def _says_anything(source: str) -> bool:
    """Whether a source contains more than comments."""
    try:
        return bool(ast.parse(source).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True


def _stage(folder: Path, scratch: Path) -> None:
    """Copy a submission's files to where its kernel runs, all but notebooks: the sanitized one holds hidden tests."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.suffix != ".ipynb":
            target = scratch / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
