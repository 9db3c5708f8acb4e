"""The wire to a student's kernel: load the probes into it, ask questions, read back plain data.

Questions travel as `user_expressions` of an empty execute request. So they pass through none of the student's
input transformers and cell hooks, enter no history, and print nothing.
"""

import inspect
import json
import time
from pathlib import Path
from queue import Empty

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_core.utils import run_sync
from nbclient.exceptions import DeadKernelError

from grading import wire
from grading.student_code import StudentError, defining


class KernelStuck(Exception):
    """The kernel did not answer within the time limit; it can't be used any more."""


class KernelChannel:
    """A `student.Channel` to a kernel.

    Args:
        client: a started client of the kernel.
        sources: the sources of the student's cells, in the order in which they ran.
        seconds: how long one question may take.
    """

    def __init__(self, client: AsyncKernelClient, sources: list[str], seconds: float):
        self.client, self.sources, self.seconds = client, sources, seconds

    def ask(self, question: str) -> str:
        return self._evaluate(
            "__import__('sys').modules['grading.probe.core'].Reply("
            f"{question!r}, __import__('IPython').get_ipython().user_ns)"
        )

    def source_of(self, name: str) -> str | None:
        return defining(name, self.sources)

    def load_probes(self) -> None:
        """Put the probes into the kernel before any cell of the student's runs."""
        self.run(_loader())

    def run(self, source: str) -> None:
        """Run lines of the grader's in names of their own."""
        self._evaluate(f"exec({source!r}, {{}})")

    def _evaluate(self, expression: str) -> str:
        try:
            content = run_sync(self._request)(expression)
        except DeadKernelError as error:
            error.args = ("Python itself ended (the kernel died) while the hidden test called the code above",)
            raise
        result = content.get("user_expressions", {}).get("reply", {})
        if result.get("status") != "ok":
            reason = f"{result.get('ename', 'no answer')}: {str(result.get('evalue', ''))[:200]}"
            raise StudentError(f"The notebook's Python could not be asked any more ({reason}).")
        return str(result.get("data", {}).get("text/plain", ""))[: wire.MAX_CHARACTERS + 1]

    def run_cell(self, source: str, seconds: float) -> None:
        """Run a cell of the student's and look at nothing that comes out of it."""
        run_sync(self._reply)(self.client.execute(source, allow_stdin=False, stop_on_error=False), seconds)

    async def _request(self, expression: str) -> dict:
        sent = self.client.execute(
            "", silent=True, store_history=False, allow_stdin=False, user_expressions={"reply": expression}
        )
        return await self._reply(sent, self.seconds)

    async def _reply(self, sent: str, seconds: float) -> dict:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:  # also while messages come in that answer nothing
            try:
                message = await self.client.shell_channel.get_msg(timeout=min(1.0, seconds))
            except Empty:
                if not await self.client.is_alive():
                    raise DeadKernelError("Kernel died") from None
                continue
            if message["parent_header"].get("msg_id") == sent:
                return message["content"]
        raise KernelStuck(f"the hidden test waited {seconds:g} s for the code above")


def _loader() -> str:
    """Source text that defines `grading.wire` and the probes, and nothing else of `grading`, in a kernel."""
    import grading.probe

    modules = {"grading": "", "grading.wire": inspect.getsource(wire), "grading.probe": ""}
    paths = sorted(Path(grading.probe.__path__[0]).glob("[a-z]*.py"), key=lambda path: (path.stem != "core", path.stem))
    for path in paths:  # core first: the others import it
        modules[f"grading.probe.{path.stem}"] = path.read_text(encoding="utf-8")
    return f"""
import importlib, sys, types
# A student's file named torch.py must not stand in for torch: the working folder comes last.
sys.path[:] = [path for path in sys.path if path not in ("", ".")] + [""]
for name, source in {json.dumps(modules)}.items():
    module = types.ModuleType(name)
    module.__path__ = []
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
    exec(compile(source, f"/grading/{{name}}.py", "exec"), module.__dict__)
"""
