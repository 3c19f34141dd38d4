"""Submits tasks and collects their results as a completion service does: complete_tasks.py QUEUE COUNT

Made of the release's own calls for submitting, polling, fetching and closing; its class CompletionService cannot be imported
(test_completion_service.py shows the error). Prints what came back, by experiment.
"""

import json
import logging
import os
import pickle
import sys
import time

from studio import model
from studio.dependencies_policies.studio_dependencies_policy import StudioDependencyPolicy
from studio.experiment_submitter import submit_experiments
from studio.experiments.experiment import create_experiment

POLL_SECONDS = 0.2

queue_name, count = sys.argv[1], int(sys.argv[2])
config, logger = model.get_config(), logging.getLogger("complete_tasks")
model.get_db_provider(config)  # artifacts are made for the store of the last provider


def task(number: int):
    """What CompletionService.submitTaskWithFiles makes of one task."""
    args = f"args-{number}.pkl"
    with open(args, "wb") as f:
        pickle.dump({"number": number, "words": ["naïve", "日本"]}, f, protocol=2)
    return create_experiment(
        "task.py", [], project="squares", resources_needed=config["resources_needed"], dependency_policy=StudioDependencyPolicy(),
        from_compl_service=True, artifacts={
            "workspace": {"mutable": False, "local": os.path.abspath("workspace"), "unpack": True},
            "clientscript": {"mutable": False, "local": os.path.abspath("square.py"), "unpack": True},
            "args": {"mutable": False, "local": os.path.abspath(args), "unpack": True},
            **{label: {"mutable": True, "unpack": True} for label in ("retval", "output", "_results")},
        })


def result(key: str):
    """A task's completion marker and return value; None before its completion."""
    artifacts = db.get_experiment(key, getinfo=False).artifacts
    done = artifacts["_results"].download()
    if done is None:
        return None
    with open(os.path.join(done, "_results.json")) as f:
        marker = json.load(f)
    with open(os.path.join(artifacts["retval"].download(), "retval"), "rb") as f:
        return marker, pickle.load(f)


experiments = [task(number) for number in range(count)]
queue = model.get_queue(queue_name=queue_name, config=config, logger=logger)
submit_experiments(experiments, config=config, logger=logger, queue=queue)

db, waiting, results = model.get_db_provider(config), [e.key for e in experiments], {}
while waiting:
    for key in list(waiting):
        if found := result(key):
            results[key] = found
            waiting.remove(key)
    time.sleep(POLL_SECONDS)
model.shutdown_queue(queue, logger, delete_queue=True)
print("RESULTS", json.dumps(results))
