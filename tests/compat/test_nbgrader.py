"""Private names of nbgrader and nbclient exist and mean what is assumed: a changed one fails here, by name."""

from types import SimpleNamespace

import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionComplete
from nbformat.v4 import new_code_cell, new_notebook, new_output
from nbgrader import converters, preprocessors
from nbgrader.apps import ZipCollectApp

from grading.compat.nbgrader import (
    AssignLatePenalties,
    Autograde,
    Execute,
    SaveAutoGrades,
    collect_files,
    collection_folder,
)
from grading.course.folder import Course
from tests.compat.signatures import assert_takes

NAMES = [
    (NotebookClient, "_async_poll_output_msg", ["parent_msg_id", "cell", "cell_index"]),
    (NotebookClient, "_cleanup_kernel", None),  # made of its async twin
    (NotebookClient, "_async_cleanup_kernel", []),
    (NotebookClient, "_get_timeout", ["cell"]),
    (NotebookClient, "_update_display_id", ["display_id", "msg"]),
    (converters.Autograde, "_format_source", ["assignment_id", "student_id", "escape"]),
    (converters.Autograde, "_format_dest", ["assignment_id", "student_id", "escape"]),
    (preprocessors.SaveAutoGrades, "_add_score", ["cell", "resources"]),
    (preprocessors.AssignLatePenalties, "_check_late_penalty", ["notebook", "penalty"]),
    (ZipCollectApp, "_format_collect_path", ["collect_step"]),
    (ZipCollectApp, "_transfer_files", ["collected_data"]),
    (ZipCollectApp, "_collect_files", ["src_files"]),
]


@pytest.mark.parametrize(("owner", "name", "arguments"), NAMES, ids=[f"{o.__name__}.{n}" for o, n, _ in NAMES])
def test_it_exists_and_takes_these_arguments(owner, name, arguments):
    assert_takes(owner, name, arguments)


def test_outputs_with_an_id_are_found_and_changed():
    client = Execute()
    client.nb = new_notebook(cells=[new_code_cell(outputs=[new_output("display_data", {"text/plain": "a"})])])
    client.reset_execution_trackers()
    client._display_id_map["x"] = {0: [0]}
    assert client.displayed("x") == [(0, 0)] and client.displayed("y") == []
    content = {"data": {"text/plain": "b"}, "metadata": {}}
    client.change_displayed("x", {"header": {"msg_type": "update_display_data"}, "content": content})
    assert client.nb.cells[0].outputs[0].data == {"text/plain": "b"}


def test_nbclient_calls_the_hooks():
    class Client(Execute):
        def seconds_for(self, cell, configured):
            return 2 * configured

        def change_displayed(self, display_id, message):
            changed.append(display_id)

    changed, client = [], Client(timeout=3, record_timing=False)
    client.nb = new_notebook(cells=[new_code_cell()])
    assert client._get_timeout(None) == 6
    content = {"data": {}, "metadata": {}, "transient": {"display_id": "x"}}
    client.process_message({"msg_type": "update_display_data", "content": content}, client.nb.cells[0], 0)
    assert changed == ["x"]
    with pytest.raises(CellExecutionComplete):
        client.process_message({"msg_type": "status", "content": {"execution_state": "idle"}}, client.nb.cells[0], 0)


def test_the_client_without_a_kernel_has_no_manager():
    client = Execute(shutdown_kernel="immediate")
    NotebookClient.__init__(client, new_notebook())
    client.create_kernel_manager()
    client.start_new_kernel()
    client.start_new_kernel_client()
    client.stop_kernel()
    assert client.km is None and client.kc is None


def test_the_folders_of_a_submission(tiny: Course):
    converter = Autograde(coursedir=tiny.coursedir)
    assert converter.source_folder("averages", "ada") == tiny.root / "submitted" / "ada" / "averages"
    assert converter.target_folder("averages", "ada") == tiny.root / "autograded" / "ada" / "averages"


def test_a_score_goes_through_the_hook(monkeypatch):
    saved = []

    class Saves(SaveAutoGrades):
        def save_score(self, cell, resources):
            saved.append(cell.id)

    graded = new_code_cell(id="a", metadata={"nbgrader": {"grade": True, "grade_id": "a", "schema_version": 3}})
    Saves().preprocess_cell(graded, {}, 0)
    Saves().preprocess_cell(new_code_cell(id="b"), {}, 1)
    assert saved == ["a"]


def test_a_penalty_is_at_most_the_score():
    checked = AssignLatePenalties().checked
    notebook = SimpleNamespace(score=5.0)
    assert checked(notebook, 2.0) == 2.0
    assert checked(notebook, 9.0) == 5.0
    assert checked(notebook, -1.0) == 0.0


def test_files_are_collected(tiny: Course):
    config = tiny.config.copy()
    config.CourseDirectory.assignment_id = "averages"
    app = ZipCollectApp(config=config, coursedir=tiny.coursedir)
    app.coursedir.assignment_id = "averages"
    folder = collection_folder(app, app.extracted_directory)
    assert folder == tiny.root / "downloaded" / "averages" / "extracted"
    folder.mkdir(parents=True)
    (folder / "ada.ipynb").write_text("{}", encoding="utf-8")
    app.init_plugins()
    app.collector_plugin_inst.named_regexp = r".*/(?P<student_id>\w+)\.(?P<file_id>ipynb)"
    app.collector_plugin_inst.valid_ext = [".ipynb"]
    collect_files(app, [folder / "ada.ipynb"])
    assert [path.name for path in (tiny.root / "submitted" / "ada" / "averages").iterdir()]
