"""One local cloud for the whole run; a user with a project and a queue of their own for each test."""

import os
import re
import signal
from pathlib import Path

import pytest

import client
from local_cloud import LocalCloud
from web_server import Authority

signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, so that the cloud ends with the run
REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """Who signs the certificates of the tests' own web servers; the executors trust it for artifacts that are named by URL."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def cloud(tmp_path_factory, authority):
    """The local cloud, started as a user starts it. STUDIOCTL names another build of studioctl."""
    studioctl = Path(os.environ.get("STUDIOCTL", REPOSITORY / "bin" / "studioctl"))
    running = LocalCloud(studioctl, tmp_path_factory.mktemp("cloud"), URL_CA_FILE=str(authority.file))
    yield running
    running.stop()


@pytest.fixture
def project(cloud, tmp_path, request):
    """A user with the config.yaml that the local cloud prints, and the queue rmq_e2e_<test>."""
    name = re.sub(r"\W+", "_", request.node.name.removeprefix("test_"))[:60]
    return client.Project(cloud, tmp_path, f"rmq_e2e_{name}")


@pytest.fixture(autouse=True, scope="session")
def log_tail():
    """Lets the client's API read a log tail; yields the client's own reader."""
    yield client.repair_log_tail()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failure shows the end of every log of the cloud."""
    report = (yield).get_result()
    running = item.funcargs.get("cloud") or getattr(item.funcargs.get("project"), "cloud", None)
    if report.failed and running:
        report.sections.extend((f"end of {name}", tail) for name, tail in running.log_tails().items())
