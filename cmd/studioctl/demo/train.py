"""Trains a small network on scikit-learn's handwritten digits, ten epochs, as an experiment would: a line for people and a
JSON directive for the metadata document after each epoch, and the model saved beside the workspace."""

import json
import pathlib
import sys

import joblib
import numpy
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
images, labels = load_digits(return_X_y=True)
train_x, test_x, train_y, test_y = train_test_split(images / 16, labels, test_size=0.25, random_state=1)
network = MLPClassifier(hidden_layer_sizes=(256, 128), batch_size=16, learning_rate_init=0.0005, random_state=1)

print(f"{len(train_x)} digits to train on, {len(test_x)} to test with")
for epoch in range(1, epochs + 1):
    network.partial_fit(train_x, train_y, classes=numpy.unique(labels))
    loss, accuracy = float(network.loss_), float(network.score(test_x, test_y))
    print(f"epoch {epoch:2d}  loss {loss:.4f}  accuracy {accuracy:.3f}")
    print(json.dumps({"experiment": {"epoch": epoch, "loss": round(loss, 4), "accuracy": round(accuracy, 4)}}))

model = pathlib.Path("..", "modeldir", "digits.joblib")
joblib.dump(network, model)
print(f"model saved, {model.stat().st_size} bytes")
