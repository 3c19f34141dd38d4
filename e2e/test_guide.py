"""The deployment guide's command line."""

from evidence import finished

TRAIN = """
import os
for epoch in range(3):
    print("epoch", epoch, "loss", 1 / (epoch + 1))
print("cards:", repr(os.environ["CUDA_VISIBLE_DEVICES"]))
with open("../modeldir/weights.txt", "w") as model:
    model.write("0.5 0.25")
"""


def test_the_deployment_guides_command_line_runs_in_the_pool_with_gpus(project):
    project.init_git()
    project.write("train.py", TRAIN)

    submitted = project.run("--lifetime=30m", "--max-duration=20m", "--gpus", "2", "--force-git", "train.py")

    done = finished(project, submitted.key, wrote=("modeldir",))
    assert done.experiment.resources_needed["gpus"] == 2
    assert done.experiment.max_duration == "20m"
    assert done.record["cloud"]["attempts"][-1]["pool"] == "local-gpu"
    assert "This executor has no GPU although its pool local-gpu lists GPUs, so that the experiment runs without one" in done.output
    assert "cards: ''\n" in done.output
    assert "epoch 2 loss 0.3333333333333333\n" in done.output
    assert done.files("modeldir") == {"weights.txt": b"0.5 0.25"}
