"""Execute a submission: visible cells in the student's kernel, hidden tests in this process.

`Execute` replaces nbgrader's preprocessor of that name in `nbgrader_config.py`, so it serves `make grade`, stock
`nbgrader autograde` and formgrader alike. It also keeps one bad cell from costing the others their points.
"""

import ast
import asyncio
import linecache
import re
import shutil
import tempfile
import time
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from types import CodeType

from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from traitlets import Bool, Dict, Enum, Integer

from grading.course import notebooks, temporary_folders
from grading.course.catalogue import CatalogueError
from grading.course.python_source import makes, of_all, reads
from grading.execution import mismatch_figure
from grading.execution.diagnosis import diagnostician
from grading.execution.outputs import LimitedOutputs, mend, no_verdict_by_accident
from grading.gradebook import records
from grading.kernels.channel import KernelChannel, KernelStuck, needs_event_loop, prepare
from grading.kernels.cold_kernel import SandboxedKernelManager
from grading.kernels.follower import Followers, Seconds
from grading.kernels.forked_kernel import WarmKernelManager
from grading.kernels.guarded_channel import GuardedChannel, given_texts
from grading.oracle.student_code import Delegated, StudentError, connected
from grading.sandbox.bubblewrap import SandboxError
from grading.sandbox.watchdog import Watchdog

NOT_RUN = {"output_type": "stream", "name": "stdout", "text": "A demonstration: not run while grading.\n"}
NOT_RECEIVED = "... Outputs are left out here: the notebook shows too much at once.\n"
NOBODY = {"header": {}, "parent_header": {}, "metadata": {}, "content": {}}  # a request that no front end has sent
POISONED = "Because of this cell Python ended, or did nothing more, in a cell below. The cells below ran without it."
WORD = re.compile(r"\w+")
IDLE = 0.5  # seconds in which a kernel may end that a cell has spoilt
NEEDS_TORCH = "it needs torch, so it was followed where torch is, without its optimizers: read it"
LAST_WORDS = 0.3  # seconds, for what a kernel has shown before it ended


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
    max_restarts = Integer(20, help="Fresh kernels a submission may use up.").tag(config=True)
    max_seconds = Integer(600, help="Seconds for all cells of a submission together.").tag(config=True)
    max_memory = Integer(2 * 2**30, help="Bytes in memory for a kernel and all that it starts.").tag(config=True)
    max_disk = Integer(64 * 2**20, help="Bytes on disk, beside the scratch folder in memory.").tag(config=True)
    max_message = Integer(20_000_000, help="Bytes of one message from a kernel; more is not received.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict, km=None) -> tuple[NotebookNode, dict]:
        self.sources: list[str] = []
        self.healthy: list[tuple[NotebookNode, int]] = []
        self.restarts, self.spent = 0, ""
        self.ready = False  # whether the current kernel has run the healthy cells and nothing else
        self.used = False  # whether a cell has run in the current kernel since it was started
        self.loop_used = False  # whether one of them may have used the kernel's event loop
        self.deadline = time.monotonic() + self.max_seconds
        self.text_room, self.room = 0, self.max_output
        self.troubles: list[tuple[str, str]] = []  # (state, reason) of each cell that hung or ended Python
        self.suspicions: list[str] = []  # what looks as if somebody had not done the exercise
        self.cell_seconds: dict[str, float] = {}
        names, root = resources.get("nbgrader", {}), Path(self.config.CourseDirectory.get("root", "."))
        self.release = root / "release" / names.get("assignment", "") / f"{names.get('notebook', '')}.ipynb"
        self.released = notebooks.read_once(self.release).cells if self.release.is_file() else []
        self.skipped = set() if self.demonstrations else self._demonstrations(nb)
        self.followers: Followers | None = None
        self.channel: GuardedChannel | None = None
        self.guard: Watchdog | None = None
        place = resources.setdefault("metadata", {})
        folder = place.get("path") or "."
        with ExitStack() as self._folders:
            scratch = self._folders.enter_context(
                tempfile.TemporaryDirectory(prefix=temporary_folders.prefix("submission"), ignore_cleanup_errors=True)
            )
            _stage(Path(folder), Path(scratch))
            place["path"] = scratch
            try:
                return super().preprocess(nb, resources, km)
            finally:
                self._stop_watching()
                place["path"] = folder

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple[NotebookNode, dict]:
        if cell.cell_type != "code" or self.skip_cells_with_tag in cell.metadata.get("tags", []):
            return cell, resources
        if cell.source in self.skipped:
            cell.outputs = [NotebookNode(NOT_RUN)]
            return cell, resources
        began = time.monotonic()
        try:
            if not self.spent and began > self.deadline:
                self.spent = f"the cells above have used up {self.max_seconds} s"
                self.troubles.append((records.TIMED_OUT, f"{_label(cell, index)}: {self.spent}"))
            if self.spent:
                raise DeadKernelError(self.spent)
            if self.channel is None:
                self._connect()
            self._run_or_blame(cell, index)
            self.used = True
        except (DeadKernelError, CellTimeoutError, KernelStuck) as error:
            name, words = _in_words(error, self.timeout)
            if name == "CellTimeoutError" and time.monotonic() > self.deadline:
                words = f"This cell was ended: all cells of a notebook together may take {self.max_seconds} s."
            self._give_up(cell, index, name, words)
        except SandboxError:
            raise
        except Exception as error:  # whatever a kernel sends must not cost the other cells
            self.log.error("a broken message in cell %d", index, exc_info=True)
            words = f"This cell sent something that is no message ({type(error).__name__})."
            self._give_up(cell, index, "BrokenMessage", words)
        self.cell_seconds[_label(cell, index)] = time.monotonic() - began
        mend(cell)
        no_verdict_by_accident(cell)
        return cell, resources

    def _run_or_blame(self, cell: NotebookNode, index: int) -> None:
        """Run a cell. If Python ends or hangs, look first whether that comes from a cell above, which then fails."""
        while True:
            self.text_room = self.max_text
            try:
                return self._run(cell, index)
            except (DeadKernelError, CellTimeoutError, KernelStuck) as error:
                if self.guard_tripped or self.restarts >= self.max_restarts or time.monotonic() > self.deadline:
                    raise
                again = self.used and isinstance(error, DeadKernelError)  # it may be no fault of this cell
                if self._is_sound(self.healthy):
                    if not again:
                        raise
                elif not self._blame():
                    raise

    def _blame(self) -> bool:
        """Find the cell because of which those that have run make no sound kernel, and go on without it."""
        restarts, healthy = self.restarts, self.healthy
        sound, unsound = 0, len(healthy)  # so many cells from the first one on
        while unsound - sound > 1 and time.monotonic() < self.deadline:
            middle = (sound + unsound) // 2
            sound, unsound = (middle, unsound) if self._is_sound(healthy[:middle]) else (sound, middle)
        self.restarts = restarts
        if not healthy or unsound - sound > 1:
            return False
        culprit, index = healthy.pop(unsound - 1)
        self._fail(culprit, "DeadKernelError", POISONED)
        self.troubles.append((records.DIED, f"{_label(culprit, index)}: {POISONED}"))
        self.sources.remove(culprit.source)
        if self.followers is not None:
            self.followers.close()
        self.healthy = healthy
        self._restart()
        return True

    def _is_sound(self, healthy: list[tuple[NotebookNode, int]]) -> bool:
        """Whether a fresh kernel lives on, and runs cells, after these have run; it is the current one from now on."""
        self.healthy = list(healthy)
        self._restart()
        if len(self.healthy) < len(healthy):
            return False
        self.channel.rest()
        time.sleep(IDLE)
        try:
            run_sync(self.channel.kernel.run_cell)("", NOBODY, self.question_timeout)
            return True
        except (DeadKernelError, KernelStuck, StudentError):
            return False

    def _run(self, cell: NotebookNode, index: int) -> None:
        """Run a cell in the current kernel, a test in its two parts."""
        self.ready = False
        if notebooks.kind(cell) == "test":
            self._run_test(cell, index)
        else:
            self._run_cell(cell, index)
            self.sources.append(cell.source)
            self.healthy.append((cell, index))

    def _run_cell(self, cell: NotebookNode, index: int) -> None:
        """Run a cell in the current kernel, in the quickest way that this cell and those before it allow."""
        self.loop_used = self.loop_used or needs_event_loop(cell.source)  # tasks of theirs go on in later cells
        if self.loop_used:
            self.channel.rest()
            self.execute_cell(cell, index)
        else:
            run_sync(self._run_over_the_line)(cell, index)

    async def _run_over_the_line(self, cell: NotebookNode, index: int) -> None:
        """Do what nbclient's `async_execute_cell` does, with two messages instead of six around the outputs."""
        cell.outputs, self.clear_before_next_output = [], False
        request = self.kc.session.msg("execute_request")
        request = {"header": {**request["header"], "date": ""}, "parent_header": {}, "metadata": {}, "content": {}}
        outputs = asyncio.ensure_future(self._async_poll_output_msg(request["header"]["msg_id"], cell, index))
        seconds = self._get_timeout(cell)
        try:
            reply = await self.channel.kernel.run_cell(cell.source, request, seconds)
            await asyncio.wait({outputs}, timeout=self.iopub_timeout)
            if outputs.done():
                outputs.result()
            else:
                await self._connect_again()
                cell.outputs.append(new_output("stream", name="stdout", text=NOT_RECEIVED))
            cell.execution_count = reply["execution_count"]
            self.on_cell_executed(cell=cell, execute_reply={"content": reply})
        except KernelStuck:
            raise CellTimeoutError.error_from_timeout_and_cell("Cell execution timed out", seconds, cell) from None
        except DeadKernelError:
            await asyncio.wait({outputs}, timeout=LAST_WORDS)
            raise
        except StudentError as error:  # a kernel that runs no cells is as good as none
            raise DeadKernelError(str(error)) from None
        finally:
            outputs.cancel()

    async def _connect_again(self) -> None:
        """Get a new client: after a message that exceeds `max_message` ZeroMQ takes none from this kernel any more."""
        self.channel.rest()
        self.kc.stop_channels()
        self.kc = self.channel.kernel.client = self.km.client()
        self.kc.start_channels()
        self.kc.allow_stdin = False
        try:
            await self.kc.wait_for_ready(timeout=self.question_timeout)
        except RuntimeError as error:
            raise DeadKernelError(str(error)) from None

    def _demonstrations(self, nb: NotebookNode) -> set[str]:
        """The texts of cells that need not run: long demonstrations, tagged as such in the release.

        Only if all cells between the graded ones are as they were released, because a student's own may build on each
        other; and if no answer reads a name that only a demonstration makes.
        """
        free = [cell for cell in self.released if _is_free(cell)]
        if [cell.source for cell in free] != [cell.source for cell in nb.cells if _is_free(cell)]:
            return set()
        tagged = {cell.source for cell in free if notebooks.DEMONSTRATION in cell.metadata.get("tags", [])}
        answers = [cell.source for cell in nb.cells if notebooks.kind(cell) == "solution"]
        needed = _made_only_by(frozenset(tagged), frozenset(c.source for c in self.released if c.cell_type == "code"))
        read = of_all(reads, (answer for answer in answers if needed.intersection(WORD.findall(answer)))) & needed
        if read and read - of_all(makes, answers):
            return set()
        return tagged

    def create_kernel_manager(self):
        """A kernel in the sandbox, forked from a warm interpreter if wanted; or a plain one with private sockets."""
        if self.sandbox == "none":
            self.kernel_manager_class = AsyncKernelManager
        else:
            self.kernel_manager_class = WarmKernelManager if self.warm else SandboxedKernelManager
        manager = super().create_kernel_manager()
        prepare(manager, self.max_message)
        if self.sandbox == "none":
            sockets = tempfile.TemporaryDirectory(prefix=temporary_folders.prefix("kernel"), ignore_cleanup_errors=True)
            manager.transport, manager.ip = "ipc", f"{self._folders.enter_context(sockets)}/s"
        else:
            manager.files = self.resources["metadata"]["path"]
        return manager

    def _connect(self) -> None:
        """Watch over the kernel, let questions go to it, and load the probes before any cell of the student's."""
        self._watch()
        kernel = KernelChannel(self.kc, self.sources, self.question_timeout, Path(self.km.ip).parent)
        self._folders.callback(kernel.close)
        kernel.load_probes(there=getattr(self.km, "has_probes", False))
        kernel.deadline = self.deadline
        self.channel = self._guarded(kernel)

    def _guarded(self, kernel: KernelChannel) -> GuardedChannel:
        """The channel through which hidden tests ask; without a sandbox there are no followers."""
        files = Path(self.resources["metadata"]["path"])
        if self.followers is None and self.sandbox != "none":
            seconds = Seconds(self.question_timeout, self.timeout or 600, self.max_seconds, self.deadline)
            self.followers = Followers(files, self.sources, seconds, self.warm, self._guard)
            self._folders.callback(self.followers.close)
        return GuardedChannel(kernel, self.followers, given_texts(self.released))

    def _watch(self) -> None:
        """Let a guard watch over the current kernel; where there is no sandbox there is none."""
        self._stop_watching()
        if self.sandbox != "none":
            self.guard = self._guard(**self.km.guarded)

    def _guard(self, **guarded: object) -> Watchdog:
        guard = Watchdog(**guarded, memory=self.max_memory, disk=self.max_disk)
        guard.start()
        return guard

    @property
    def guard_tripped(self) -> str:
        """Why the guard has ended the current kernel, if it has."""
        return self.guard.tripped if self.guard is not None else ""

    def _stop_watching(self) -> None:
        if self.guard is not None:
            self.guard.stop()
            self.guard = None

    def _run_test(self, cell: NotebookNode, index: int) -> None:
        """Run the visible part in the kernel and the hidden part here."""
        source = cell.source
        cell.source, hidden = notebooks.split_hidden(source)
        cell.outputs = []  # of a first attempt, after which the kernel had ended
        try:
            if _says_anything(cell.source):
                self._run_cell(cell, index)
        finally:
            cell.source = source
        if hidden.strip():
            self._run_hidden(cell, hidden)

    def _run_hidden(self, cell: NotebookNode, hidden: str) -> None:
        """Run a hidden part here. After a visible failure it decides nothing, it only shows and names the mistake."""
        failed = next((output for output in cell.outputs if output.output_type == "error"), None)
        if failed is not None and "NotImplementedError" in failed.ename + failed.evalue:
            return
        name = f"<hidden part of {notebooks.grade_id(cell)}>"
        linecache.cache[name] = (len(hidden), None, hidden.splitlines(keepends=True), name)
        self.channel.begin()
        with connected(self.channel) as transcript:
            try:
                try:
                    exec(_compiled(hidden, name), {"__name__": "hidden"})
                except AssertionError:
                    if not self.channel.may_need_torch():
                        raise
                    transcript.clear()
                    self.channel.begin(with_torch=True)
                    exec(_compiled(hidden, name), {"__name__": "hidden"})
                    self.suspicions.append(f"{notebooks.grade_id(cell)}: {NEEDS_TORCH}")
            except (DeadKernelError, KernelStuck, SandboxError):
                raise
            except AssertionError as error:
                likely = self._name_mistake(cell, transcript)
                cell.outputs.extend(mismatch_figure.outputs(error))
                if failed is None:
                    self._fail(cell, type(error).__name__, "\n".join([str(error), *likely, *self.channel.remarks()]))
                else:
                    failed.evalue = "\n".join([failed.evalue, *likely])
                    failed.traceback = [*failed.traceback, *likely]
                suspicion = str(error) if isinstance(error, Delegated) else self.channel.delegated()
                if suspicion:
                    self.suspicions.append(f"{notebooks.grade_id(cell)}: {suspicion}")
            except Exception as error:
                self.log.error("%s itself failed", name, exc_info=True)
                reason = f"{type(error).__name__}: {error}"
                if failed is None:
                    self._fail(cell, "GraderError", f"The hidden test itself failed; tell your instructor. ({reason})")

    def _name_mistake(self, cell: NotebookNode, transcript: list) -> list[str]:
        """The mistake of the catalogue that answers just like this student: noted in the cell, and told in a line."""
        names = self.resources.get("nbgrader", {})
        source = Path(self.config.CourseDirectory.get("root", ".")) / "source"
        source = source / names.get("assignment", "") / f"{names.get('notebook', '')}.ipynb"
        if not source.is_file():
            return []
        try:
            known = diagnostician(source.resolve())
        except CatalogueError as error:  # `make check` tells it; no student may lose a point for it
            self.log.error("%s", error)
            return []
        test = notebooks.grade_id(cell)
        exercise = notebooks.exercise_of(test, list(notebooks.tests_of(known.notebook)))
        entry = known.name(exercise, transcript, test) if exercise else None
        if entry is None:
            return []
        cell.metadata["grading"] = {"mistake": entry.name}
        return [f"A likely mistake: {entry.why}"]

    def _fail(self, cell: NotebookNode, name: str, message: str) -> None:
        lines = message.splitlines() or [name]
        cell.outputs.append(new_output("error", ename=name, evalue=message, traceback=lines))

    def _give_up(self, cell: NotebookNode, index: int, name: str, message: str) -> None:
        """Let a cell fail that took its kernel with it, and start a fresh kernel for the cells after it."""
        if self.guard_tripped:
            name, message = "DeadKernelError", f"This cell was ended: {self.guard_tripped}."
        self._fail(cell, name, message)
        if self.spent:
            return
        state = records.TIMED_OUT if name == "CellTimeoutError" else records.DIED
        self.troubles.append((state, f"{_label(cell, index)}: {message}"))
        if self.ready:
            return
        if self.restarts >= self.max_restarts:
            self.spent = f"{self.max_restarts} fresh kernels have been used up by the cells above"
        else:
            self._restart()

    def _restart(self) -> None:
        """A fresh kernel that has run the earlier healthy cells."""
        self.restarts += 1
        self.used = self.loop_used = False
        self._stop_watching()
        self._cleanup_kernel()
        self.km = self.create_kernel_manager()
        self.start_new_kernel(cwd=self.resources.get("metadata", {}).get("path"))
        self.start_new_kernel_client()
        self._connect()
        healthy, self.healthy, room = self.healthy, [], self.room
        for cell, index in healthy:
            if time.monotonic() > self.deadline:
                break
            again = NotebookNode(cell_type="code", source=cell.source, metadata=NotebookNode(), outputs=[])
            try:
                self._run_cell(again, index)
                self.healthy.append((cell, index))
            except (DeadKernelError, CellTimeoutError):
                self.log.warning("cell %d was healthy before and is not in a fresh kernel", index)
                break
            finally:
                self.nb.cells[index] = cell  # nbclient puts the cell that it ran there
        self.ready, self.room = True, room  # what they showed is there already

    def _get_timeout(self, cell: NotebookNode | None) -> float:
        left = max(1.0, self.deadline - time.monotonic())
        return min(super()._get_timeout(cell) or left, left)


def _label(cell: NotebookNode, index: int) -> str:
    """What a cell is called in reports."""
    return notebooks.grade_id(cell) or f"cell {index + 1}"


@lru_cache(maxsize=8)
def _made_only_by(some: frozenset[str], cells: frozenset[str]) -> frozenset[str]:
    """The names that some of the cells make, and none of the others."""
    return frozenset(of_all(makes, some) - of_all(makes, cells - some))


@lru_cache(maxsize=1024)
def _compiled(source: str, name: str) -> CodeType:
    """A hidden part, compiled once for all submissions."""
    return compile(source, name, "exec")


@lru_cache(maxsize=1024)
def _says_anything(source: str) -> bool:
    """Whether there is more than comments."""
    try:
        return bool(ast.parse(source).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True


def _is_free(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and notebooks.kind(cell) is None and bool(cell.source.strip())


def _stage(folder: Path, scratch: Path) -> None:
    """Copy a submission's files to where its kernel runs, all but notebooks: the sanitized one holds hidden tests."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.suffix != ".ipynb":
            target = scratch / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _in_words(error: Exception, timeout: int | None) -> tuple[str, str]:
    """The name and the message of a cell that took its kernel with it."""
    if isinstance(error, CellTimeoutError):
        return "CellTimeoutError", f"This cell did not finish within {timeout} s: is there a loop that never ends?"
    if isinstance(error, KernelStuck):
        return "CellTimeoutError", f"No answer in time: {error}. Is there a loop that never ends?"
    return "DeadKernelError", f"This cell could not be run to its end: {str(error).rstrip('.')}."
