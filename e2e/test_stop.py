"""An experiment is stopped: its program is told, and what it wrote is kept."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from evidence import Stores, finished

ASK_TO_STOP = Path(__file__).parent / "programs" / "ask_to_stop.py"

WAIT = """
import signal, sys, time

def leave(number, frame):
    print("told to end by", signal.Signals(number).name)
    with open("../modeldir/last.txt", "w") as model:
        model.write("saved at the end")
    sys.exit(0)

signal.signal(signal.SIGTERM, leave)
print("running")
while True:
    time.sleep(0.05)
"""


def waits(project, *args: str) -> str:
    """Submits a program that waits to be told to end."""
    project.write("wait.py", WAIT)
    return project.run(*args, "wait.py").key


def stopped(project, key: str, wrote: tuple[str, ...] = ("modeldir",)):
    """Checks what every view says of a program that was stopped."""
    project.wait(key, until=("finished",))  # after the client's own "stopped"
    done = finished(project, key, wrote=wrote, ended="stopped")
    assert "running\ntold to end by SIGTERM\n" in done.output
    assert "The experiment was stopped, as was asked." in done.output
    assert done.reason() == "The experiment was stopped, as was asked."
    assert done.files("modeldir") == {"last.txt": b"saved at the end"}


def test_the_clients_stop_and_studioctls_end_a_program_and_keep_what_it_wrote(project, cloud):
    project.configure("saveWorkspaceFrequency: 1s\n")
    whole_machine = f"--cpus={len(os.sched_getaffinity(0))}"
    with ThreadPoolExecutor() as pool:
        submissions = [pool.submit(waits, project, f"--experiment={project.queue}_{name}") for name in ("client", "studioctl")]
        by_client, by_studioctl = [s.result() for s in submissions]
    for key in (by_client, by_studioctl):
        project.wait_for_output(key, "running")
    not_started = waits(project, whole_machine)

    project.call("studio", "runs", "stop", by_client, not_started)
    cloud.run_studioctl("stop", by_studioctl)

    assert project.api().get_experiment(not_started, getinfo=False).status == "stopped"
    stopped(project, by_client)
    stopped(project, by_studioctl)
    experiment = project.wait(not_started, until=("finished",))
    assert experiment.time_started is None
    stores = Stores(cloud.state)
    assert stores.record(not_started)["cloud"]["outcome"] == "stopped"
    assert stores.listing(f"experiments/{not_started}/") == {}, "it never ran"


def test_the_artifact_status_ends_a_program_too(project):
    project.configure("saveWorkspaceFrequency: 1s\n")
    project.write("status/README", "where the client says that it wants the end")
    key = waits(project, "--capture=status:_status")
    project.wait_for_output(key, "running")

    asked = project.call("python", ASK_TO_STOP, key)

    assert f"experiments/{key}/_status.tar" in asked
    stopped(project, key, wrote=("modeldir", "_status"))
