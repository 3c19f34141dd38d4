"""What the client packs of a folder is what the program finds in its working directory."""

import hashlib
import json
import os
import stat
import time
from pathlib import Path

from evidence import finished

LIST = """
import hashlib, json, os, stat, subprocess, sys

def describe(path):
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        return ["link", os.readlink(path)]
    if stat.S_ISDIR(mode):
        return ["folder"]
    with open(path, "rb") as f:
        return ["file", hashlib.sha256(f.read()).hexdigest(), bool(mode & stat.S_IXUSR)]

found = {}
for folder, folders, files in os.walk("."):
    for name in folders + files:
        path = os.path.join(folder, name)
        found[os.path.relpath(path, ".")] = describe(path)
with open("../modeldir/listing.json", "w", encoding="utf-8") as f:
    json.dump(found, f)
print("through the link to a file:", open("latest.txt").read())
print("through the link to a folder:", open("current/weights.txt").read())
print("the tool says:", subprocess.check_output(["./tools/greet.sh", "world"], text=True))
"""

MANY = """
import hashlib, os
digest, count = hashlib.sha256(), 0
for folder, folders, files in os.walk("data"):
    folders.sort()
    for name in sorted(files):
        with open(os.path.join(folder, name), "rb") as f:
            digest.update(f.read())
        count += 1
print("files:", count, "digest:", digest.hexdigest())
"""


def describe(folder: Path) -> dict[str, list]:
    """What the program's listing must be, seen before the client packs it."""
    found = {}
    for path in folder.rglob("*"):
        name, mode = str(path.relative_to(folder)), path.lstat().st_mode
        if stat.S_ISLNK(mode):
            found[name] = ["link", os.readlink(path)]
        elif stat.S_ISDIR(mode):
            found[name] = ["folder"]
        else:
            found[name] = ["file", hashlib.sha256(path.read_bytes()).hexdigest(), bool(mode & stat.S_IXUSR)]
    return found


def test_links_executable_bits_unicode_and_long_names_arrive_as_they_are(project):
    project.write("list.py", LIST)
    project.write("runs/7/weights.txt", "0.25")
    project.write("tools/greet.sh", '#!/bin/sh\necho "hello $1"\n', mode=0o755)
    project.write("données/naïve 日本 🙂.txt", "unicode")
    project.write(f"{'deep/' * 30}{'n' * 120}.txt", "long")
    project.write("empty.txt", "")
    (project.folder / "latest.txt").symlink_to("runs/7/weights.txt")
    (project.folder / "runs" / "back").symlink_to("../tools")
    (project.folder / "current").symlink_to("runs/7")
    (project.folder / "nowhere").symlink_to("not/there")
    (project.folder / "nothing in it").mkdir()

    submitted = project.run("list.py")

    done = finished(project, submitted.key, wrote=("modeldir",))
    assert json.loads(done.files("modeldir")["listing.json"]) == describe(project.folder)
    assert "through the link to a file: 0.25\n" in done.output
    assert "through the link to a folder: 0.25\n" in done.output
    assert "the tool says: hello world\n" in done.output
    stored = done.stores.files(done.experiment.artifacts["workspace"].key)
    assert set(stored) == set(describe(project.folder))


def test_a_link_that_leads_out_of_the_workspace_fails_the_experiment_with_its_name(project):
    project.write("train.py", "print('never')")
    secrets = project.home / "secrets.txt"
    secrets.write_text("not for the cloud")
    (project.folder / "data.txt").symlink_to(secrets)

    submitted = project.run("train.py")

    done = finished(project, submitted.key, ended="failed", exit_code=None)
    assert f'the link "data.txt" leads to "{secrets}", out of the artifact\'s folder' in done.reason()
    assert done.reason() in done.output, "the client's log tail says why"
    assert "never" not in done.output and "not for the cloud" not in done.output


def test_studioml_ignore_is_left_to_the_client_which_heeds_it_for_hyperparameters_alone(project):
    project.write(".studioml_ignore", "*.bin\ncache/\n")
    project.write("large.bin", "0" * 1000)
    project.write("cache/entry", "cached")
    project.write("train.py", "import os\nrate = 0.1\nprint('value', rate, 'finds', sorted(os.listdir('.')))\n")

    plain = project.run("train.py")
    searched = project.run("--hyperparam=rate=0.5", "train.py")

    assert "NOT PROCESSED: ignore files list" in plain.output  # in the client's own words
    assert "finds ['.studioml_ignore', 'cache', 'large.bin', 'train.py']" in finished(project, plain.key).output
    done = finished(project, searched.key, wrote=("workspace",))
    assert "value 0.5 finds ['.studioml_ignore', 'train.py']" in done.output
    assert set(done.files("workspace")) == {".studioml_ignore", "train.py"}


def test_twenty_thousand_small_files_arrive(project):
    digest, names = hashlib.sha256(), sorted(f"data/{i // 100:03d}/{i:05d}.txt" for i in range(20_000))
    for name in names:
        content = f"{name} is small\n"
        project.write(name, content)
        digest.update(content.encode())
    project.write("count.py", MANY)

    began = time.time()
    submitted = project.run("count.py")

    done = finished(project, submitted.key)
    assert f"files: 20000 digest: {digest.hexdigest()}\n" in done.output
    whole = done.experiment.time_finished - began
    executor = done.experiment.time_finished - done.experiment.time_started
    print(f"20,000 files: {whole:.1f} s in all, of which {executor:.1f} s in the executor, from claim to end")
