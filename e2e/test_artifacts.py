"""Files and folders that go with an experiment, and those that come back."""

import pytest

from evidence import finished
from web_server import WebServer

SHOW = """
import os, sys
for folder, _, names in sorted(os.walk("../" + sys.argv[1])):
    for name in sorted(names):
        path = os.path.join(folder, name)
        print("file", os.path.relpath(path, ".."), open(path).read())
"""


@pytest.fixture
def web(authority):
    server = WebServer(authority, {"/sets/a set.csv": b"x,y\n"})
    yield server
    server.stop()


def test_a_file_that_is_captured_once_lies_in_a_folder_of_its_label(project):
    project.write("train.py", SHOW)
    project.write("../elsewhere/numbers.csv", "1,2,3")
    done = finished(project, project.run("--capture-once=../elsewhere/numbers.csv:data", "train.py", "data").key)
    assert "file data/numbers.csv 1,2,3\n" in done.output
    assert not done.record["artifacts"]["data"]["mutable"]


def test_a_folder_that_is_captured_once_lies_beside_the_workspace(project):
    project.write("train.py", SHOW)
    project.write("../elsewhere/sub/a.txt", "A")
    project.write("../elsewhere/b.txt", "B")
    done = finished(project, project.run(f"--capture-once={project.folder.parent}/elsewhere:data", "train.py", "data").key)
    assert "file data/b.txt B\nfile data/sub/a.txt A\n" in done.output


def test_a_url_that_is_captured_once_is_fetched_by_the_executor(project, web):
    project.write("train.py", SHOW)
    submitted = project.run(f"--capture-once={web.url}/sets/a%20set.csv?signature=s3cret:data", "train.py", "data", command=("studio-run",))
    done = finished(project, submitted.key)
    assert web.asked == [("/sets/a%20set.csv?signature=s3cret", "studio-cloud-runner")], "the client itself fetches nothing"
    assert "file data/a set.csv x,y\n\n" in done.output
    assert "s3cret" not in done.output


def test_a_url_that_is_not_there_fails_the_experiment_with_a_sentence(project, web):
    project.write("train.py", SHOW)
    submitted = project.run(f"--capture-once={web.url}/sets/none.csv:data", "train.py", "data")
    done = finished(project, submitted.key, ended="failed", exit_code=None)
    assert "The artifact data cannot be fetched" in done.output and "404 Not Found: check the URL" in done.output


def test_a_captured_folder_goes_out_and_comes_back_changed(project):
    """The client keeps what it captures in ~/.studioml/experiments/<key>/<label>: that is what it sends, and where it fetches to."""
    project.write("train.py", SHOW + "open('../notes/b.txt', 'w').write('B')\nos.remove('../notes/a.txt')\n")
    project.write("../home/.studioml/experiments/capturing/notes/a.txt", "A")

    done = finished(project, project.run("-e", "capturing", "--capture=notes:notes", "train.py", "notes").key, wrote=("notes",))

    assert done.key == "capturing" and "file notes/a.txt A\n" in done.output
    assert done.files("notes") == {"b.txt": b"B"}
    fetched = project.api().get_artifact(done.experiment.artifacts["notes"], local_path=str(project.folder / "back"), only_newer=False)
    assert {p.name: p.read_text() for p in project.folder.joinpath("back").iterdir()} == {"b.txt": "B"}, fetched


def test_the_artifact_of_another_experiment_is_reused(project):
    project.write("train.py", "open('../modeldir/weights', 'w').write('42')\n")
    first = finished(project, project.run("train.py").key, wrote=("modeldir",))
    project.write("use.py", SHOW)

    done = finished(project, project.run(f"--reuse={first.key}/modeldir:trained", f"--reuse={first.key}/tb:curves", "use.py", "trained").key)

    assert "file trained/weights 42\n" in done.output
    assert done.record["artifacts"]["trained"]["key"] == f"experiments/{first.key}/modeldir.tar"


def test_model_and_tensorboard_files_are_there_for_the_client(project):
    events = "events.out.tfevents.1700000000.host"
    project.write("train.py", f"""
import os
os.makedirs("../tb/run1")
open("../tb/run1/{events}", "wb").write(bytes(range(256)) * 40)
open("../modeldir/checkpoint.h5", "wb").write(b"\\x89HDF" * 1000)
""")
    done = finished(project, project.run("train.py").key, wrote=("modeldir", "tb"))
    assert done.files("tb")[f"run1/{events}"] == bytes(range(256)) * 40
    for label, name, content in [("tb", f"run1/{events}", bytes(range(256)) * 40), ("modeldir", "checkpoint.h5", b"\x89HDF" * 1000)]:
        folder = project.folder / f"back-{label}"
        project.api().get_artifact(done.experiment.artifacts[label], local_path=str(folder), only_newer=False)
        assert (folder / name).read_bytes() == content
