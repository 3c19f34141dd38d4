// Package pod tells Kubernetes what the executor's own pod does, so that scaling neither ends experiments nor keeps machines
// for nothing:
//
//   - the annotation controller.kubernetes.io/pod-deletion-cost is the number of experiments that it runs: of several pods that
//     are ready, the one that runs least is taken first when fewer are wanted. Those that are not ready go before all others
//     (ActivePodsWithRanks in Kubernetes' pkg/controller), so that an executor that is merely slow to answer must stay ready;
//   - the label studio-cloud-runner/state is idle, busy or draining: the scaler never asks for fewer pods than are busy;
//   - the labels studio-cloud-runner/runs-1, -2, -4, … are the binary digits of that number: what the subscription counts beyond
//     what all pods run, those that drain included, waits for a pod.
//
// docs/adr/0001-scaling-executors.md has the reasons. The pod's service account may patch nothing but this, and only its own pod.
//
// Nothing depends on it: what cannot be told is logged and told again, the latest only. Without it scaling is less exact.
//
// It also looks whether somebody deletes the pod ([API.Deletion], for package drain), and deletes it where its machine is at
// fault ([API.Delete]), which takes a right of its own.
package pod
