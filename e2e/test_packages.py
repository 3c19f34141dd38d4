"""The program's packages: those of the client's environment, and more."""

import sys

import boto3
import numpy

from client import REPAIRED
from evidence import finished


def test_the_programs_environment_has_the_packages_of_the_client_with_their_versions(project):
    project.write("train.py", "import boto3, numpy, sys; print('versions', boto3.__version__, numpy.__version__, sys.version_info[:2])\n")
    done = finished(project, project.run("train.py").key)
    assert f"versions {boto3.__version__} {numpy.__version__} {sys.version_info[:2]}\n" in done.output
    assert f"boto3=={boto3.__version__}" in done.record["pythonenv"]


def test_a_package_that_the_client_adds_is_there(project):
    """With the client's own fault repaired: as it is, it does not send --python-pkg."""
    project.write("train.py", "import toolz; print('toolz', toolz.__version__)\n")
    done = finished(project, project.run("--python-pkg=toolz==1.0.0", "train.py", command=REPAIRED).key)
    assert "toolz 1.0.0\n" in done.output


def test_a_package_that_the_config_lists_is_there(project):
    project.configure("pip:\n  - toolz==1.0.0\n")
    project.write("train.py", "import toolz; print('toolz', toolz.__version__)\n")
    done = finished(project, project.run("train.py").key)
    assert "toolz 1.0.0\n" in done.output


def test_a_second_experiment_finds_the_environment_of_the_first(project):
    project.write("train.py", "")
    finished(project, project.run("train.py").key)
    second = finished(project, project.run("train.py").key)
    assert "requirements found ready.\n" in second.output
