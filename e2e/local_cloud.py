"""The cloud that `studioctl local` runs, as a user starts it: its own process, with a HOME and a state folder of its own."""

import json
import os
import re
import signal
import subprocess
import textwrap
import threading
from pathlib import Path

START_SECONDS = 120
STOP_SECONDS = 90


class LocalCloud:
    """A running local cloud. `state` has its addresses and keys, `client_config` what it tells users to put into their
    ~/.studioml/config.yaml."""

    def __init__(self, studioctl: Path, folder: Path, **environment: str):
        self.studioctl = studioctl
        self.state_home = folder / "state"
        home = folder / "home"
        home.mkdir(parents=True)
        self.environment = {
            **os.environ, **environment, "HOME": str(home), "XDG_STATE_HOME": str(self.state_home), "XDG_CONFIG_HOME": str(home / ".config"),
        }
        self.state, self.client_config = {}, ""
        self._stderr = (folder / "studioctl.stderr").open("w+")
        self._process = subprocess.Popen(
            [studioctl, "local"], env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._stderr, text=True,
            start_new_session=True)  # Ctrl-C ends pytest first, which ends the cloud
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def _wait_until_ready(self):
        deadline = threading.Timer(START_SECONDS, self._process.terminate)
        deadline.start()
        lines = []
        for line in self._process.stdout:
            lines.append(line)
            if line.startswith("  Logs "):  # the last line of the welcome
                break
        else:
            self._stderr.seek(0)
            raise RuntimeError(f"studioctl local did not get ready: {self._stderr.read()}")
        deadline.cancel()
        self.state = json.loads((self.state_home / "studioctl" / "local.json").read_text())
        self.client_config = _config_block("".join(lines))

    def stop(self):
        """Ends the cloud as Ctrl-C does, and fails if anything of it stays."""
        self._process.send_signal(signal.SIGINT)
        try:
            code = self._process.wait(STOP_SECONDS)
        finally:
            self._process.kill()
            self._process.stdout.close()
            self._stderr.seek(0)
            said = self._stderr.read()
            self._stderr.close()
        if self.state and (code != 0 or Path(self.state["logs"]).exists()):
            raise RuntimeError(f"studioctl local left something behind, or ended with {code}: {said}")

    def run_studioctl(self, *args: str) -> str:
        """Runs studioctl as the same user in another terminal, and returns what it prints."""
        done = subprocess.run([self.studioctl, *args], env=self.environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"studioctl {' '.join(args)}: exit {done.returncode}: {done.stderr}"
        return done.stdout

    def log_tails(self, lines: int = 40) -> dict[str, str]:
        """The end of every program's log, for the report of a failure."""
        folder = Path(self.state["logs"])
        return {file.name: "\n".join(file.read_text(errors="replace").splitlines()[-lines:]) for file in sorted(folder.iterdir())}


def _config_block(welcome: str) -> str:
    """The config.yaml as it is printed: the indented lines that follow its name."""
    found = re.search(r"config\.yaml:\n\n((?:  .*\n)+)", welcome)
    assert found, f"studioctl local prints no config.yaml:\n{welcome}"
    return textwrap.dedent(found.group(1))
