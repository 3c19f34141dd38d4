"""What an experiment left, seen by tools that are not ours: the client's API, boto3, and a recursive listing as mc makes it."""

import io
import json
import tarfile
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlparse

import boto3
from minio import Minio

WRITTEN_BY_EXECUTOR = {"output", "_metadata"}


@dataclass
class Finished:
    """An experiment that completed: the client's view of it, its record, and its objects."""

    key: str
    experiment: object
    record: dict
    output: str
    stores: "Stores"

    def files(self, label: str) -> dict[str, bytes | None]:
        """What the stored artifact holds: names and contents, None for a folder, and a link's target as bytes."""
        return self.stores.files(f"experiments/{self.key}/{label}.tar")

    def reason(self) -> str:
        return self.record["cloud"].get("reason", "")


class Stores:
    """The S3 protocol's view of the two buckets."""

    def __init__(self, state: dict):
        self.store, self.metadata = state["store"], state["metadata"]
        self.boto = boto3.client(
            "s3", endpoint_url=state["s3_endpoint"], aws_access_key_id=state["s3_access_key"],
            aws_secret_access_key=state["s3_secret_key"], region_name="us-east-1")
        self.minio = Minio(
            urlparse(state["s3_endpoint"]).netloc, access_key=state["s3_access_key"], secret_key=state["s3_secret_key"], secure=False)

    def listing(self, prefix: str) -> dict[str, tuple[int, str]]:
        """Objects below a prefix with size and ETag, as boto3 and mc see them: the two agree."""
        pages = self.boto.get_paginator("list_objects_v2").paginate(Bucket=self.store, Prefix=prefix)
        boto = {o["Key"]: (o["Size"], o["ETag"].strip('"')) for page in pages for o in page.get("Contents", [])}
        mc = {o.object_name: (o.size, o.etag) for o in self.minio.list_objects(self.store, prefix=prefix, recursive=True)}
        assert mc == boto
        return boto

    def read(self, key: str, bucket: str | None = None) -> bytes:
        return self.boto.get_object(Bucket=bucket or self.store, Key=key)["Body"].read()

    def changed(self, key: str) -> datetime:
        """When an object was last written."""
        return self.boto.head_object(Bucket=self.store, Key=key)["LastModified"]

    def record(self, key: str) -> dict:
        return json.loads(self.read(f"experiments/{key}", self.metadata))

    def files(self, key: str) -> dict[str, bytes | None]:
        with tarfile.open(fileobj=io.BytesIO(self.read(key))) as tar:
            return {m.name: tar.extractfile(m).read() if m.isreg() else m.linkname.encode() if m.issym() else None for m in tar}


def finished(project, key: str, wrote: tuple[str, ...] = (), ended: str = "completed", exit_code: int | None = 0) -> Finished:
    """Waits for the end of an experiment and checks what every view says of it. wrote are the labels of the artifacts that
    the program wrote into; the others are stored as empty folders."""
    project.wait(key)
    experiment = project.api().get_experiment(key)
    stores = Stores(project.cloud.state)
    record = stores.record(key)
    seen = Finished(key, experiment, record, "\n".join(experiment.info["logtail"] or []), stores)

    assert record["cloud"]["outcome"] == ended, f"{seen.reason()}\n{seen.output}"
    assert record["cloud"].get("exit_code") == exit_code
    assert experiment.status == record["status"] == "finished"
    times = [experiment.time_added, experiment.time_started, experiment.time_last_checkpoint, experiment.time_finished]
    assert None not in times and times == sorted(times), f"added, started, last checkpoint, finished: {times}"

    labels = {label for label, art in experiment.artifacts.items() if art.is_mutable}
    prefix, suffix = f"experiments/{key}/", ".tar"
    stored = {name.removeprefix(prefix).removesuffix(suffix) for name in stores.listing(prefix)}
    missing = labels - stored  # where no program ran, what was not fetched before the fault is not stored either
    assert stored <= labels | {"output"} and "output" in stored and (exit_code is None or not missing), f"stored: {stored}"
    assert {label for label in stored if seen.files(label)} == stored & WRITTEN_BY_EXECUTOR | set(wrote)
    assert seen.files("output")["output"].decode() == seen.output, "the client's log tail is the whole of output"
    return seen
