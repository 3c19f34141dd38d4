"""What a user writes into config.yaml is what the experiment, its checkpoints and its queue get."""

import json
from concurrent.futures import ThreadPoolExecutor

from broker import Broker
from client import Submission
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
for epoch in range(15):
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


def submit_with(project, variants: dict[str, str], *args: str) -> dict[str, Submission]:
    """Submits one experiment for each variant of config.yaml, all at once."""
    def submit(variant):
        number, (_, text) = variant
        config = project.write(f"../variant{number}.yaml", project.config_file.read_text() + text)
        return project.run(f"--config={config}", *(a.format(number=number) for a in args))

    with ThreadPoolExecutor() as pool:
        return dict(zip(variants, pool.map(submit, enumerate(variants.items()))))


def test_checkpoints_come_at_save_workspace_frequency(project):
    project.write("epochs.py", EPOCHS)
    submitted = submit_with(project, {f: f"saveWorkspaceFrequency: {f}\n" for f in ("2s", "1m")}, "epochs.py")
    often, rarely = submitted["2s"].key, submitted["1m"].key

    checkpoints = {}  # as the client's API shows them while it runs: when, and the last line of the log tail
    while (experiment := project.api().get_experiment(often)).status != "finished":
        epochs = [line for line in experiment.info["logtail"] or [] if line.startswith("epoch")]
        if epochs:
            checkpoints[experiment.time_last_checkpoint] = epochs[-1]
        other = project.api().get_experiment(rarely).info["logtail"] or []
        assert not other or "epoch 14" in other, "a checkpoint before its time, not the final output"

    assert len(checkpoints) >= 3 and len(set(checkpoints.values())) >= 3, checkpoints
    times = list(checkpoints)
    assert min(later - earlier for earlier, later in zip(times, times[1:])) > 1, f"more often than every 2 s: {checkpoints}"
    assert finished(project, often, wrote=("modeldir",)).files("modeldir") == {"epoch.txt": b"14"}
    assert finished(project, rarely, wrote=("modeldir",)).files("modeldir") == {"epoch.txt": b"14"}


def test_queues_and_their_messages_are_as_durable_as_config_says(project, cloud):
    project.write("train.py", "print('trained')")
    broker = Broker(cloud.state["amqp_url"])
    durable = {"true": True, "false": False, "'true'": True}
    queues = {persistent: f"{project.queue}_{number}" for number, persistent in enumerate(durable)}
    variants = {persistent: f"cloud:\n  queue:\n    rmq: {broker.url}\n    persistent: {persistent}\n" for persistent in durable}

    with broker.copies(*queues.values()) as copies:
        submitted = submit_with(project, variants, f"--queue={project.queue}_{{number}}", "train.py")
        sent = {json.loads(body)["experiment"]["key"]: properties for body, properties in (copies.next() for _ in durable)}

    for persistent, submission in submitted.items():
        properties = sent[submission.key]
        assert properties.delivery_mode == (2 if durable[persistent] else None)
        assert (properties.app_id, properties.content_type) == ("studioml", "application/json")
        declared = broker.queue(queues[persistent])
        assert (declared["durable"], declared["auto_delete"]) == (durable[persistent], False)
        assert "trained\n" in finished(project, submission.key).output


def test_verbose_takes_every_form_that_the_client_takes(project):
    project.write("train.py", "print('trained')")
    forms = ("debug", "error", "10", "true")

    submitted = submit_with(project, {form: f"verbose: {form}\n" for form in forms}, f"--experiment={project.queue}_{{number}}", "train.py")

    prints = {form: submission.output for form, submission in submitted.items()}
    assert "sending message" in prints["debug"] and "sending message" in prints["10"]
    assert "submitted experiment" in prints["true"], "the number 1 to the client, which means everything"
    assert "submitted experiment" not in prints["error"]
    for number in range(len(forms)):
        assert "trained\n" in finished(project, f"{project.queue}_{number}").output
