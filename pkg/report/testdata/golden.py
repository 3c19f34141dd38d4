"""Writes testdata/golden: reports made without this package's code, by protobuf for Python, PyCryptodome and PyNaCl.

    python3 -m venv venv && venv/bin/pip install protobuf grpcio-tools pycryptodome pynacl && venv/bin/python golden.py

The key is for tests only and new at every run; commit the whole folder. reports.json has a report a line in the proto3 JSON
mapping, reports.hex the same in binary, sealed.txt the bodies.

    venv/bin/python golden.py open KEY.pem < body

does the opposite: it opens a body and prints its report, to check what Go sealed.
"""

import base64
import pathlib
import sys
import tempfile

from Crypto.Cipher import PKCS1_OAEP
from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from google.protobuf import json_format
from grpc_tools import protoc
from nacl.public import random
from nacl.secret import SecretBox

HERE = pathlib.Path(__file__).parent
OUT = HERE / "golden"


def compiled():
    out = tempfile.mkdtemp()
    include = pathlib.Path(protoc.__file__).parent / "_proto"
    if protoc.main(["protoc", f"-I{HERE.parent}", f"-I{include}", f"--python_out={out}", "report.proto"]):
        sys.exit("protoc refused report.proto")
    sys.path.insert(0, out)
    import report_pb2

    return report_pb2


def seal(plain, public):
    session = random(SecretBox.KEY_SIZE)
    block = PKCS1_OAEP.new(public, hashAlgo=SHA256).encrypt(session)
    return b",".join(map(base64.b64encode, (block, SecretBox(session).encrypt(plain)))).decode()


def unseal(body, private):
    block, box = (base64.b64decode(part, validate=True) for part in body.split(","))
    return SecretBox(PKCS1_OAEP.new(private, hashAlgo=SHA256).decrypt(block)).decrypt(box)


def report(pb, seconds):
    r = pb.Report()
    r.time.FromMilliseconds(seconds * 1000 + 250)
    r.experiment_id.value = "1530054412_70d7eaf4-3ce3-493a-a8f6-ffa0212a5c92"
    r.unique_id.value = "5f3c1e9a"
    r.executor_id.value = "executor-0"
    return r


def step(pb, seconds, **fields):
    r = report(pb, seconds)
    r.progress.time.CopyFrom(r.time)
    r.progress.state = fields["state"]
    if "json" in fields:
        r.progress.json.value = fields["json"]
    if "msg" in fields:
        r.progress.error.msg.value = fields["msg"]
        r.progress.error.code = fields["code"]
    return r


def reports(pb):
    start = 1530054413
    line = report(pb, start + 3)
    line.logging.time.CopyFrom(line.time)
    line.logging.severity = pb.Info
    line.logging.message.value = 'epoch 1 "é ✓" \t\\'
    line.logging.fields["stream"] = "output"
    text = report(pb, start + 4)
    text.text.value = ""
    wrapped = report(pb, start + 5)
    wrapped.proto_any.Pack(line.logging.message)
    return [
        step(pb, start, state=pb.Prestart),
        step(pb, start + 1, state=pb.Started),
        step(pb, start + 2, state=pb.Started, json='{"loss": 0.5}'),
        line,
        text,
        wrapped,
        step(pb, start + 6, state=pb.Stopping),
        step(pb, start + 7, state=pb.Failed, msg="The program ended with exit code 3.", code=3),
        step(pb, start + 8, state=pb.Success),
    ]


def write():
    OUT.mkdir(exist_ok=True)
    key = RSA.generate(2048)
    (OUT / "report.pem").write_bytes(key.export_key())
    made = reports(compiled())
    texts = [json_format.MessageToJson(r, indent=None) for r in made]
    (OUT / "reports.json").write_text("".join(t + "\n" for t in texts), encoding="utf-8")
    (OUT / "reports.hex").write_text("".join(r.SerializeToString(deterministic=True).hex() + "\n" for r in made))
    (OUT / "sealed.txt").write_text("".join(seal(t.encode(), key.public_key()) + "\n" for t in texts))


def read(key):
    text = unseal(sys.stdin.read().strip(), RSA.import_key(pathlib.Path(key).read_bytes()))
    print(json_format.MessageToJson(json_format.Parse(text, compiled().Report()), indent=None))


if __name__ == "__main__":
    read(sys.argv[2]) if sys.argv[1:2] == ["open"] else write()
