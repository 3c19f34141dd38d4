"""The released StudioML client as its users have it: the command `studio run`, and its Python API."""

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from studio import model
from studio.storage import storage_setup
from studio.util import util as studio_util

SUBMIT_SECONDS = 180
FINISH_SECONDS = 180
POLL_SECONDS = 0.25
ENDED = ("finished", "failed", "stopped")
BIN = Path(sys.executable).parent  # where pip puts the client's commands
REPAIRS = Path(__file__).parent / "repairs"  # what every program of the client's needs repaired
REPAIRED = ("python", str(Path(__file__).parent / "repaired_studio_run.py"))  # for what the released runner cannot do itself


@dataclass
class Submission:
    """What `studio run` printed, and the keys of the experiments that it says it submitted."""

    output: str
    keys: list[str]

    @property
    def key(self) -> str:
        assert len(self.keys) == 1, f"{len(self.keys)} experiments were submitted, not one:\n{self.output[-3000:]}"
        return self.keys[0]


class Project:
    """A user with a HOME of their own, a folder with a program in it, and a queue."""

    def __init__(self, cloud, folder: Path, queue: str):
        self.cloud, self.queue = cloud, queue
        self.home, self.folder = folder / "home", folder / "project"
        self.folder.mkdir(parents=True)
        self.config_file = self.home / ".studioml" / "config.yaml"
        self.config_file.parent.mkdir(parents=True)
        self.config_file.write_text(cloud.client_config)

    def write(self, name: str, content: str | bytes, mode: int = 0o644) -> Path:
        """Writes a file of the project; folders are made as needed."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return path

    def configure(self, text: str):
        """Adds lines to the user's config.yaml."""
        self.config_file.write_text(self.config_file.read_text() + text)

    def run(self, *args: str, command: tuple[str, ...] = ("studio", "run"), exit_code: int = 0, **environment: str) -> Submission:
        """Runs `studio run` in the project's folder; --queue is added unless args have one."""
        if not any(a.startswith("--queue") for a in args):
            args = (f"--queue={self.queue}", *args)
        printed = self.call(*command, *args, exit_code=exit_code, **environment)
        return Submission(printed, re.findall(r"submitted experiment (\S+)", printed))

    def call(self, program: str, *args: str, exit_code: int = 0, **environment: str) -> str:
        """Runs a program of the client's environment as the user, in the project's folder, and returns what it prints."""
        done = subprocess.run(
            [BIN / program, *args], cwd=self.folder, env=self.environment(**environment), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SUBMIT_SECONDS)
        assert done.returncode == exit_code, f"{program} {args}: exit {done.returncode}:\n{done.stdout[-4000:]}"
        return done.stdout

    def environment(self, **more: str) -> dict[str, str]:
        """The user's environment; of pytest's own, only what any login has."""
        kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TZ", "TMPDIR") if name in os.environ}
        return {
            "LANG": "C.UTF-8", **kept, "HOME": str(self.home), "PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": str(REPAIRS), **more}

    def api(self):
        """The client's database provider, made from the user's config.yaml."""
        storage_setup.reset_storage()
        return model.get_db_provider(model.get_config(str(self.config_file)))

    def wait(self, key: str, seconds: float = FINISH_SECONDS, until=ENDED):
        """Waits, through the client's API, until the experiment has one of these statuses, and returns it."""
        db, deadline = self.api(), time.monotonic() + seconds
        while True:
            experiment = db.get_experiment(key, getinfo=False)
            if experiment is not None and experiment.status in until:
                return experiment
            if time.monotonic() > deadline:
                status = experiment.status if experiment else "without a record"
                raise AssertionError(f"{key} is {status} after {seconds} s, not {' or '.join(until)}")
            time.sleep(POLL_SECONDS)

    def wait_for_output(self, key: str, text: str, seconds: float = FINISH_SECONDS):
        """Waits until the client's API has a text in the log tail of a running experiment, and returns the experiment."""
        db, deadline = self.api(), time.monotonic() + seconds
        while True:
            experiment = db.get_experiment(key)
            tail = "\n".join(experiment.info.get("logtail") or [])
            if text in tail:
                assert experiment.status == "running", f"{key} is {experiment.status} already"
                return experiment
            assert time.monotonic() < deadline, f"{key} ({experiment.status}) has not printed {text!r} after {seconds} s:\n{tail}"
            time.sleep(POLL_SECONDS)

    def init_git(self):
        """Makes the project a repository, with changes that are not committed."""
        git = shutil.which("git")
        assert git, "git is needed: the client calls it. scripts/prerequisites git installs it"
        subprocess.run([git, "init", "-q", "."], cwd=self.folder, env=self.environment(), check=True)


def repair_log_tail():
    """The client's reader of the log tail passes bytes to a str pattern, which Python 3 refuses, and answers None for every
    experiment (test_client.py shows the error). This gives it text, here and nowhere else."""
    broken = studio_util.remove_backspaces
    studio_util.remove_backspaces = lambda line: broken(line.decode() if isinstance(line, bytes) else line)
    return broken
