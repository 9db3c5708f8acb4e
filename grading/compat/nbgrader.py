"""Private names of nbgrader, and of nbclient, on which its `Execute` builds."""

from collections.abc import Sequence
from pathlib import Path

from jupyter_client.manager import AsyncKernelManager
from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader import preprocessors as stock
from nbgrader.api import SubmittedNotebook
from nbgrader.apps import ZipCollectApp
from nbgrader.converters import Autograde as StockAutograde


class Execute(stock.Execute):
    """nbgrader's `Execute`, which is an nbclient client, with hooks that subclasses may replace.

    Attributes:
        km: the manager of the current kernel; None if there is no kernel.
    """

    km: AsyncKernelManager | None

    def seconds_for(self, cell: NotebookNode | None, configured: float | None) -> float | None:
        """How long a cell may take; `configured` is what the settings say."""
        return configured

    def change_displayed(self, display_id: str, message: dict) -> None:
        """Change outputs that are there already, because the kernel says so."""
        super()._update_display_id(display_id, message)

    def displayed(self, display_id: str) -> list[tuple[int, int]]:
        """Where outputs with this id are: the index of the cell, and of the output in it."""
        return [(cell, place) for cell, found in self._display_id_map.get(display_id, {}).items() for place in found]

    async def receive_outputs(self, request: str, cell: NotebookNode, index: int) -> None:
        """Take in what a cell shows in answer to a request, until its kernel says that it is done."""
        self.clear_before_next_output = False
        await self._async_poll_output_msg(request, cell, index)

    def stop_kernel(self) -> None:
        """End the current kernel; `km` is None then."""
        self._cleanup_kernel()

    def _get_timeout(self, cell: NotebookNode | None) -> float | None:
        return self.seconds_for(cell, super()._get_timeout(cell))

    def _update_display_id(self, display_id: str, msg: dict) -> None:
        self.change_displayed(display_id, msg)


class Autograde(StockAutograde):
    """nbgrader's converter, with the folders that it works on."""

    def source_folder(self, assignment: str, student: str) -> Path:
        return Path(self._format_source(assignment, student))

    def target_folder(self, assignment: str, student: str) -> Path:
        return Path(self._format_dest(assignment, student))


class SaveAutoGrades(stock.SaveAutoGrades):
    """nbgrader's preprocessor, with a hook at each score."""

    def save_score(self, cell: NotebookNode, resources: ResourcesDict) -> None:
        """Write the score of one test cell to the gradebook."""
        super()._add_score(cell, resources)

    def _add_score(self, cell: NotebookNode, resources: ResourcesDict) -> None:
        self.save_score(cell, resources)


class AssignLatePenalties(stock.AssignLatePenalties):
    """nbgrader's preprocessor, with its check of what a plugin answers."""

    def checked(self, notebook: SubmittedNotebook, penalty: float) -> float:
        """The penalty, between nothing and the score of the notebook."""
        return self._check_late_penalty(notebook, penalty)


def collection_folder(app: ZipCollectApp, step: str) -> Path:
    """Where `nbgrader zip_collect` keeps the files of one of its steps, `app.archive_directory` for example."""
    return Path(app._format_collect_path(step))


def collect_files(app: ZipCollectApp, paths: Sequence[Path]) -> None:
    """Copy files to `submitted/`, as the collector plugin of the app sorts them."""
    app._transfer_files(app._collect_files([str(path) for path in paths]))
