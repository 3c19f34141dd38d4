"""Experiments by name, and once more."""

import re

from client import REPAIRED
from evidence import finished

COUNT = "import os; p = '../modeldir/runs'; n = int(open(p).read()) + 1 if os.path.exists(p) else 1; open(p, 'w').write(str(n)); print('run', n)\n"


def test_a_named_experiment_that_is_submitted_again_goes_on_where_it_ended(project):
    project.write("train.py", COUNT)
    submitted = project.run("-e", "e2e_named", "train.py")
    assert submitted.key == "e2e_named"
    first = finished(project, "e2e_named", wrote=("modeldir",))
    assert "run 1\n" in first.output

    project.run("-e", "e2e_named", "train.py")

    second = finished(project, "e2e_named", wrote=("modeldir",))
    assert re.search(r"run 1\n.*run 2\n", second.output, re.DOTALL), "its output goes on, too"
    assert second.files("modeldir") == {"runs": b"2"}
    assert second.experiment.time_started > first.experiment.time_finished


def test_a_rerun_by_key_reads_all_that_the_first_run_left(project):
    """With the client's own fault repaired. It sends every artifact of the first run as one to read, so that its API knows no
    output of the rerun; the output lies where every experiment's lies."""
    project.write("train.py", COUNT + "import sys; print(sys.argv[1:])\n")
    first = finished(project, project.run("train.py", "--epochs", "3").key, wrote=("modeldir",))

    rerun = project.run("-e", "e2e_rerun", first.key, command=REPAIRED)

    assert rerun.key == "e2e_rerun"
    assert project.wait("e2e_rerun").status == "finished"
    record = first.stores.record("e2e_rerun")
    assert (record["cloud"]["outcome"], record["cloud"]["exit_code"]) == ("completed", 0)
    assert set(first.stores.listing("experiments/e2e_rerun/")) == {"experiments/e2e_rerun/output.tar"}
    output = first.stores.files("experiments/e2e_rerun/output.tar")["output"].decode()
    assert "run 2\n['--epochs', '3']\n" in output
    assert first.files("modeldir") == {"runs": b"1"} and "run 2" not in first.files("output")["output"].decode(), "the first run is as it was"
