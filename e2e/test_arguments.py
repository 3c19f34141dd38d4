"""What follows the script on the command line reaches sys.argv as it was typed."""

import json
import shlex

import pytest

from evidence import finished

SHOW = "import json, sys; print('argv', json.dumps(sys.argv[1:]))\n"
HARD = ["--name", "two words", "it's", '"quoted"', "$HOME", "`id`", "a;b|c&d>e", "*", "", "ünïcode 雪", "back\\slash", "--", "-x=1", "line\nbreak", "tail "]


def argv(done) -> list[str]:
    line = next(line for line in done.output.splitlines() if line.startswith("argv "))
    return json.loads(line.removeprefix("argv "))


def test_arguments_of_every_kind_reach_the_program_exactly(project):
    project.write("train.py", SHOW)
    done = finished(project, project.run("train.py", *HARD, command=("studio-run",)).key)
    assert argv(done) == HARD


def test_arguments_that_are_quoted_once_more_pass_the_shell_script_studio(project):
    """`studio` joins its arguments and lets the shell split them again; `studio-run` does not."""
    project.write("train.py", SHOW)
    one_line = [a for a in HARD if "\n" not in a]
    done = finished(project, project.run("train.py", *map(shlex.quote, one_line)).key)
    assert argv(done) == one_line


@pytest.mark.parametrize("module", ["pkg::mod", "::pkg::mod"])
def test_a_module_runs_with_its_arguments(project, module):
    project.write("pkg/__init__.py", "")
    project.write("pkg/mod.py", "from pkg.helper import word\nimport json, sys\nprint('argv', json.dumps([__name__, word, *sys.argv[1:]]))\n")
    project.write("pkg/helper.py", "word = 'relative'\n")
    done = finished(project, project.run(module, "an argument", "-m", command=("studio-run",)).key)
    assert done.record["filename"] == "-m"
    assert argv(done) == ["__main__", "relative", "an argument", "-m"]
