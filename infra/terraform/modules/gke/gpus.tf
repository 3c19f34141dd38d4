# What is known of cards and machines, so that a pool that cannot work is told in a sentence before anything is made.

locals {
  # Zones of each card. T4, P4, P100, V100 and A100 of 40 GB are as in Google's list of 2026-04-08 for the regions that are in
  # it (https://cloud.google.com/workstations/docs/available-gpus); the others are remembered of
  # https://cloud.google.com/compute/docs/gpus/gpu-regions-zones and not compared with it. Google adds zones: var.gpu_zones
  # overrides a line, and `gcloud compute accelerator-types list` has today's.
  gpu_zones = merge({
    nvidia-tesla-t4 = ["asia-east1-a", "asia-east1-c", "asia-east2-a", "asia-east2-c", "asia-northeast1-a", "asia-northeast1-c",
      "asia-northeast3-b", "asia-northeast3-c", "asia-south1-a", "asia-south1-b", "asia-southeast1-a", "asia-southeast1-b",
      "asia-southeast1-c", "asia-southeast2-a", "asia-southeast2-b", "australia-southeast1-a", "australia-southeast1-c",
      "europe-central2-b", "europe-central2-c", "europe-west1-b", "europe-west1-c", "europe-west1-d", "europe-west2-a",
      "europe-west2-b", "europe-west3-b", "europe-west4-a", "europe-west4-b", "europe-west4-c", "me-west1-b", "me-west1-c",
      "northamerica-northeast1-c", "southamerica-east1-a", "southamerica-east1-c", "us-central1-a", "us-central1-b",
      "us-central1-c", "us-central1-f", "us-east1-c", "us-east1-d", "us-east4-a", "us-east4-b", "us-east4-c", "us-west1-a",
    "us-west1-b", "us-west2-b", "us-west2-c", "us-west3-b", "us-west4-a", "us-west4-b"]
    nvidia-l4 = ["asia-east1-a", "asia-east1-b", "asia-east1-c", "asia-northeast1-a", "asia-northeast1-b", "asia-northeast1-c",
      "asia-northeast3-a", "asia-northeast3-b", "asia-south1-a", "asia-south1-b", "asia-south1-c", "asia-southeast1-a",
      "asia-southeast1-b", "asia-southeast1-c", "europe-west1-b", "europe-west1-c", "europe-west2-a", "europe-west2-b",
      "europe-west3-a", "europe-west3-b", "europe-west4-a", "europe-west4-b", "europe-west4-c", "europe-west6-b",
      "europe-west6-c", "me-central2-a", "me-central2-c", "northamerica-northeast2-a", "northamerica-northeast2-b",
      "us-central1-a", "us-central1-b", "us-central1-c", "us-east1-b", "us-east1-c", "us-east1-d", "us-east4-a", "us-east4-c",
    "us-west1-a", "us-west1-b", "us-west1-c", "us-west4-a", "us-west4-c"]
    nvidia-tesla-p4 = ["asia-southeast1-b", "asia-southeast1-c", "australia-southeast1-a", "australia-southeast1-b",
      "europe-west4-b", "europe-west4-c", "northamerica-northeast1-a", "northamerica-northeast1-b", "northamerica-northeast1-c",
    "us-central1-a", "us-central1-c", "us-east4-a", "us-east4-b", "us-east4-c", "us-west2-b", "us-west2-c"]
    nvidia-tesla-p100 = ["asia-east1-a", "asia-east1-c", "australia-southeast1-b", "europe-west1-b", "europe-west1-d",
    "europe-west4-a", "us-central1-c", "us-central1-f", "us-east1-b", "us-east1-c", "us-west1-a", "us-west1-b"]
    nvidia-tesla-v100 = ["asia-east1-c", "europe-west4-a", "europe-west4-b", "europe-west4-c", "us-central1-a", "us-central1-b",
    "us-central1-c", "us-central1-f", "us-east1-c", "us-west1-a", "us-west1-b"]
    nvidia-tesla-a100 = ["asia-northeast1-a", "asia-northeast1-c", "asia-northeast3-a", "asia-northeast3-b", "asia-southeast1-b",
      "asia-southeast1-c", "europe-west4-a", "europe-west4-b", "me-west1-a", "me-west1-c", "us-central1-a", "us-central1-b",
    "us-central1-c", "us-central1-f", "us-east1-b", "us-west1-b", "us-west3-b", "us-west4-b"]
    nvidia-a100-80gb = ["asia-southeast1-c", "europe-west4-a", "us-central1-a", "us-central1-c", "us-east4-c", "us-east5-b"]
    nvidia-h100-80gb = ["asia-east1-c", "asia-northeast1-b", "asia-southeast1-b", "asia-southeast1-c", "australia-southeast1-c",
      "europe-west1-b", "europe-west1-c", "europe-west2-b", "europe-west3-a", "europe-west3-c", "europe-west4-b",
      "europe-west4-c", "europe-west9-c", "us-central1-a", "us-central1-b", "us-central1-c", "us-east4-a", "us-east4-b",
    "us-east4-c", "us-east5-a", "us-west1-a", "us-west1-b", "us-west4-a"]
  }, var.gpu_zones)

  # Gigabytes of each card, https://cloud.google.com/compute/docs/gpus.
  gpu_gb = {
    nvidia-tesla-t4   = 16, nvidia-l4 = 24, nvidia-tesla-p4 = 8, nvidia-tesla-p100 = 16, nvidia-tesla-v100 = 16
    nvidia-tesla-a100 = 40, nvidia-a100-80gb = 80, nvidia-h100-80gb = 80
  }

  # Cards that are attached to n1 machines: how many a machine may have, and the most CPUs that it may then have.
  # https://cloud.google.com/compute/docs/gpus
  attached = {
    nvidia-tesla-t4   = { "1" = 48, "2" = 48, "4" = 96 }
    nvidia-tesla-p4   = { "1" = 24, "2" = 48, "4" = 96 }
    nvidia-tesla-p100 = { "1" = 16, "2" = 32, "4" = 96 }
    nvidia-tesla-v100 = { "1" = 12, "2" = 24, "4" = 48, "8" = 96 }
  }

  # Cards built into a type, and how many local SSDs it may have.
  # https://cloud.google.com/compute/docs/accelerator-optimized-machines, https://cloud.google.com/compute/docs/disks/local-ssd
  built_in = {
    g2-standard-4  = { card = "nvidia-l4", count = 1, ssds = [1], cpus = 4, gib = 16 }
    g2-standard-8  = { card = "nvidia-l4", count = 1, ssds = [1], cpus = 8, gib = 32 }
    g2-standard-12 = { card = "nvidia-l4", count = 1, ssds = [1], cpus = 12, gib = 48 }
    g2-standard-16 = { card = "nvidia-l4", count = 1, ssds = [1], cpus = 16, gib = 64 }
    g2-standard-24 = { card = "nvidia-l4", count = 2, ssds = [2], cpus = 24, gib = 96 }
    g2-standard-32 = { card = "nvidia-l4", count = 1, ssds = [1], cpus = 32, gib = 128 }
    g2-standard-48 = { card = "nvidia-l4", count = 4, ssds = [4], cpus = 48, gib = 192 }
    g2-standard-96 = { card = "nvidia-l4", count = 8, ssds = [8], cpus = 96, gib = 384 }
    a2-highgpu-1g  = { card = "nvidia-tesla-a100", count = 1, ssds = [1, 2, 4, 8], cpus = 12, gib = 85 }
    a2-highgpu-2g  = { card = "nvidia-tesla-a100", count = 2, ssds = [2, 4, 8], cpus = 24, gib = 170 }
    a2-highgpu-4g  = { card = "nvidia-tesla-a100", count = 4, ssds = [4, 8], cpus = 48, gib = 340 }
    a2-highgpu-8g  = { card = "nvidia-tesla-a100", count = 8, ssds = [8], cpus = 96, gib = 680 }
    a2-ultragpu-1g = { card = "nvidia-a100-80gb", count = 1, ssds = [1], cpus = 12, gib = 170 }
    a2-ultragpu-2g = { card = "nvidia-a100-80gb", count = 2, ssds = [2], cpus = 24, gib = 340 }
    a2-ultragpu-4g = { card = "nvidia-a100-80gb", count = 4, ssds = [4], cpus = 48, gib = 680 }
    a2-ultragpu-8g = { card = "nvidia-a100-80gb", count = 8, ssds = [8], cpus = 96, gib = 1360 }
    a3-highgpu-8g  = { card = "nvidia-h100-80gb", count = 8, ssds = [16], cpus = 208, gib = 1872 }
  }

  # GiB for each CPU of the other families; the number at a type's end is that of its CPUs.
  gib_per_cpu = {
    n1-standard = 3.75, n1-highmem = 6.5, n1-highcpu = 0.9, n2-standard = 4, n2-highmem = 8, n2-highcpu = 1, n2d-standard = 4
    n2d-highmem = 8, n2d-highcpu = 1, e2-standard = 4, e2-highmem = 8, e2-highcpu = 1, c2-standard = 4, c2d-standard = 4
    c2d-highmem = 8, c2d-highcpu = 2, c3-standard = 4, c3-highmem = 8, c3-highcpu = 2, n4-standard = 4, n4-highmem = 8
    n4-highcpu  = 2, c4-standard = 3.75, c4-highmem = 7.75, c4-highcpu = 2
  }

  # How many local SSDs a machine of a family may have, by its most CPUs. Types that end in -lssd have theirs built in; of them,
  # and of families that are not here, nothing is known. https://cloud.google.com/compute/docs/disks/local-ssd of 2026-04-14
  ssds_by_cpus = merge(
    { for family in ["e2", "n4", "c3", "c3d", "c4", "t2d"] : family => [{ most = 1000, counts = [] }] },
    {
      n1  = [{ most = 96, counts = [1, 2, 3, 4, 5, 6, 7, 8, 16, 24] }]
      n2  = [{ most = 10, counts = [1, 2, 4, 8, 16, 24] }, { most = 20, counts = [2, 4, 8, 16, 24] }, { most = 40, counts = [4, 8, 16, 24] }, { most = 80, counts = [8, 16, 24] }, { most = 128, counts = [16, 24] }]
      n2d = [{ most = 16, counts = [1, 2, 4, 8, 16, 24] }, { most = 48, counts = [2, 4, 8, 16, 24] }, { most = 80, counts = [4, 8, 16, 24] }, { most = 224, counts = [8, 16, 24] }]
      c2  = [{ most = 8, counts = [1, 2, 4, 8] }, { most = 16, counts = [2, 4, 8] }, { most = 30, counts = [4, 8] }, { most = 60, counts = [8] }]
      c2d = [{ most = 16, counts = [1, 2, 4, 8] }, { most = 32, counts = [2, 4, 8] }, { most = 56, counts = [4, 8] }, { most = 112, counts = [8] }]
    },
  )
}
