"""What a user writes into config.yaml is what the experiment, its checkpoints and its queue get."""

import json
import time

from broker import Broker
from evidence import finished

ENVIRONMENT = """
import json, os
with open("../modeldir/environment.json", "w") as f:
    json.dump(dict(os.environ), f)
print(os.environ["GREETING"])
"""

# The client replaces $NAME itself, from its user's environment; %NAME% is the executor's.
ENV_CONFIG = """
env:
  PATH: /opt/tools/bin:%PATH%
  GREETING: hello, %USER%
  HERE: $HOME
  LEAK: "[%REQUEST_PASSPHRASE_FILE%|%TENANTS%|%GOOGLE_CLOUD_PROJECT%|%STORAGE_EMULATOR_HOST%|%HOSTNAME%|%NO_SUCH%]"
  TWICE: "%TEMPLATE%"
  TEMPLATE: "%PATH%"
  PERCENT: 100%
"""

EPOCHS = """
import time
for epoch in range(12):
    print("epoch", epoch)
    with open("../modeldir/epoch.txt", "w") as model:
        model.write(str(epoch))
    time.sleep(1)
"""


def test_the_environment_is_configs_with_percent_names_of_the_program_and_nothing_of_the_executors(project):
    project.configure(ENV_CONFIG)
    project.write("environment.py", ENVIRONMENT)

    done = finished(project, project.run("environment.py").key, wrote=("modeldir",))

    env = json.loads(done.files("modeldir")["environment.json"])
    own, _, rest = env["PATH"].partition(":")
    assert own == "/opt/tools/bin" and rest.endswith("/usr/bin:/bin") and "%" not in rest
    assert env["GREETING"] == "hello, experiment" and "hello, experiment\n" in done.output
    assert env["HERE"] == str(project.home)
    assert env["LEAK"] == "[|||||]"
    assert env["TWICE"] == "", "a variable of config.env is no name to expand"
    assert env["PERCENT"] == "100%"
    assert set(env) <= {
        "PATH", "GREETING", "HERE", "LEAK", "TWICE", "TEMPLATE", "PERCENT", "HOME", "TMPDIR", "USER", "LANG", "LC_CTYPE", "VIRTUAL_ENV",
        "PYTHONUNBUFFERED", "STUDIOML_EXPERIMENT", "STUDIOML_HOME", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "NVIDIA_VISIBLE_DEVICES",
    }, sorted(env)


def test_checkpoints_come_at_save_workspace_frequency(project):
    project.write("epochs.py", EPOCHS)
    submitted = {}
    for frequency in ("2s", "1m"):
        project.configure(f"saveWorkspaceFrequency: {frequency}\n")
        submitted[frequency] = project.run("epochs.py").key

    seen = {key: [] for key in submitted.values()}  # time of the checkpoint, and the last line of the log tail
    db, running = project.api(), set(seen)
    while running:
        for key in list(running):
            experiment = db.get_experiment(key)
            if experiment.status == "finished":
                running.remove(key)
            elif experiment.status == "running":
                tail = [line for line in experiment.info["logtail"] or [] if line.startswith("epoch")]
                if tail and (not seen[key] or seen[key][-1][1] != tail[-1]):
                    seen[key].append((experiment.time_last_checkpoint, tail[-1]))
        time.sleep(0.2)

    often = finished(project, submitted["2s"], wrote=("modeldir",))
    assert len(seen[often.key]) >= 3, seen
    times = [at for at, _ in seen[often.key]]
    assert min(later - earlier for earlier, later in zip(times, times[1:])) > 1, f"not more often than every 2 s: {times}"
    assert often.files("modeldir") == {"epoch.txt": b"11"}
    rarely = finished(project, submitted["1m"], wrote=("modeldir",))
    assert seen[rarely.key] == [], "it ended before its first checkpoint"


def test_queues_and_their_messages_are_as_durable_as_config_says(project, cloud):
    project.write("train.py", "print('trained')")
    broker = Broker(cloud.state["amqp_url"])
    submitted = []
    for persistent, durable in {"true": True, "false": False, "'true'": True}.items():
        project.configure(f"cloud:\n  queue:\n    rmq: {broker.url}\n    persistent: {persistent}\n")
        queue = f"{project.queue}_{len(submitted)}"
        with broker.copies(queue) as copies:
            submitted.append(project.run(f"--queue={queue}", "train.py").key)
            message, properties = copies.next()
        assert json.loads(message)["experiment"]["key"] == submitted[-1]
        assert properties.delivery_mode == (2 if durable else None)
        assert (properties.app_id, properties.content_type) == ("studioml", "application/json")
        declared = broker.queue(queue)
        assert (declared["durable"], declared["auto_delete"]) == (durable, False)
    for key in submitted:
        assert "trained\n" in finished(project, key).output


def test_verbose_takes_every_form_that_the_client_takes(project):
    project.write("train.py", "print('trained')")
    forms = ("debug", "error", "10", "true")
    prints = {}
    for verbose in forms:
        project.configure(f"verbose: {verbose}\n")
        prints[verbose] = project.run(f"--experiment={project.queue}_{verbose}", "train.py").output

    assert "sending message" in prints["debug"] and "sending message" in prints["10"]
    assert "submitted experiment" in prints["true"], "the number 1 to the client, which means everything"
    assert "submitted experiment" not in prints["error"]
    for verbose in forms:
        assert "trained\n" in finished(project, f"{project.queue}_{verbose}").output
