"""What does not work in the released client, whatever runs its experiments. Where one of these fails, a newer client has
repaired it: remove the repair (client.repair_log_tail, repaired_studio_run.py, repairs/sitecustomize.py), its line in README.md, and the test here."""

import logging
import threading
from types import SimpleNamespace

import pytest
from studio.queues.rabbit_queue import RMQueue
from studio.util import util

from evidence import Stores, finished


def test_the_clients_reader_of_the_log_tail_takes_no_bytes(log_tail):
    with pytest.raises(TypeError, match="cannot use a string pattern on a bytes-like object"):
        log_tail(b"what tarfile reads")
    assert util.remove_backspaces(b"12\x083") == "13", "repaired"


def test_a_rerun_by_key_fails_in_the_client(project):
    project.write("train.py", "")
    key = project.run("train.py").key
    finished(project, key)
    said = project.run(key, exit_code=1)
    assert "'Artifact' object does not support item assignment" in said.output and not said.keys


def test_python_pkg_is_not_sent(project):
    project.write("train.py", "")
    key = project.run("--python-pkg=toolz==1.0.0", "train.py").key
    assert not [r for r in Stores(project.cloud.state).record(key)["pythonenv"] if r.startswith("toolz")]
    finished(project, key)


def test_the_clients_list_of_experiments_is_empty_over_s3(project):
    """It asks for one object that lists them, users/<user>/experiments/; over S3 the client writes an object for each."""
    project.write("train.py", "")
    key = project.run("train.py").key
    done = finished(project, key)
    assert list(project.api().get_user_experiments()) == []
    assert float(done.stores.read(f"users/guest/experiments/{key}", done.stores.metadata)) == pytest.approx(done.experiment.time_added)


def test_a_config_without_the_resources_is_refused_by_the_client(project):
    project.write("train.py", "")
    whole = project.config_file.read_text()
    project.config_file.write_text(whole.replace("resources_needed:", "other:"))
    assert "KeyError: 'resources_needed'" in project.run("train.py", exit_code=1).output
    project.config_file.write_text(whole.replace("  gpus: 0\n", ""))
    assert "not 'NoneType'" in project.run("train.py", exit_code=1).output


def test_a_confirmation_that_comes_before_the_client_awaits_it_breaks_its_connection():
    """It publishes first and notes the message's number then; on loopback the broker is sometimes faster."""
    queue = RMQueue.__new__(RMQueue)
    queue._logger, queue._msg_tracking_lock = logging.getLogger(), threading.RLock()
    queue._deliveries, queue._acked, queue._nacked, queue._message_number = [], 0, 0, 0
    confirmation = SimpleNamespace(method=SimpleNamespace(NAME="Basic.Ack", delivery_tag=1))
    with pytest.raises(ValueError, match="x not in list"):
        queue._on_delivery_confirmation(confirmation)
