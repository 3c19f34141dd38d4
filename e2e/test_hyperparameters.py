"""--hyperparam makes an experiment of each point of the grid."""

from evidence import finished

TRAIN = """
learning_rate = 0.5
layers = 1
rate = learning_rate
depth = layers
print("point", rate, depth)
open("../modeldir/point", "w").write(f"{rate} {depth}")
"""


def test_every_point_of_a_grid_is_an_experiment(project):
    project.write("train.py", TRAIN)

    submitted = project.run("--hyperparam=learning_rate=0.01:l3:1", "--hyperparam=layers=2,4", "--project=e2e_grid", "train.py")

    assert len(submitted.keys) == len(set(submitted.keys)) == 6
    done = [finished(project, key, wrote=("modeldir", "workspace")) for key in submitted.keys]
    points = sorted(tuple(float(n) for n in d.files("modeldir")["point"].split()) for d in done)
    assert [(round(rate, 6), depth) for rate, depth in points] == [(r, d) for r in (0.01, 0.1, 1.0) for d in (2.0, 4.0)]
    assert {d.experiment.project for d in done} == {"e2e_grid"}
