"""Ten tasks are submitted, and their ten results collected, with the client's own calls."""

import json
from pathlib import Path
from urllib.error import HTTPError

import pytest
from broker import Broker
from evidence import finished

COMPLETE_TASKS = Path(__file__).parent / "programs" / "complete_tasks.py"

TASK = """
import glob, importlib.util, pickle

script, = glob.glob("../clientscript/*.py")
spec = importlib.util.spec_from_file_location("clientscript", script)
client = importlib.util.module_from_spec(spec)
spec.loader.exec_module(client)
args, = glob.glob("../args/*.pkl")
with open(args, "rb") as f, open("../retval/retval", "wb") as result:
    pickle.dump(client.clientFunction(pickle.load(f), {}), result, protocol=2)
"""

SQUARE = """
def clientFunction(args, files):
    print("task", args["number"])
    return {"square": args["number"] ** 2, "words": args["words"]}
"""


def test_the_releases_own_completion_service_cannot_be_imported():
    """Where this fails, a newer client has repaired it: use its CompletionService below, and remove complete_tasks.py."""
    with pytest.raises(ImportError, match="cannot import name 'rsync_cp' from 'studio.util'"):
        from studio.completion_service import CompletionService  # noqa: F401


def test_ten_tasks_give_ten_results(project, cloud):
    project.write("workspace/task.py", TASK)
    project.write("square.py", SQUARE)

    printed = project.call("python", COMPLETE_TASKS, project.queue, "10")

    results = json.loads(printed.partition("RESULTS ")[2])
    assert sorted(value["square"] for _, value in results.values()) == [n * n for n in range(10)]
    for key, (marker, value) in results.items():
        assert value["words"] == ["naïve", "日本"]
        assert marker == {
            "exit_msg": "", "experiment_id": key, "host": "local-cpu",
            "artifacts": {label: {"name": label} for label in ("workspace", "clientscript", "args", "retval", "output", "_results")},
        }
        done = finished(project, key, wrote=("retval", "_results"))
        assert f"task {round(value['square'] ** 0.5)}\n" in done.output
        assert set(done.files("retval")) == {"retval"}
        changed = {label: done.stores.changed(f"experiments/{key}/{label}.tar") for label in ("retval", "output", "_results")}
        assert max(changed["retval"], changed["output"]) <= changed["_results"], "the marker comes last"
    with pytest.raises(HTTPError, match="404"):
        Broker(cloud.state["amqp_url"]).queue(project.queue)  # as a completion service leaves it
