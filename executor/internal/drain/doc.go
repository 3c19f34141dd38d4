// Package drain decides how long experiments may go on in an executor that is told to leave, by who tells it:
//
//	the pod is deleted (scale-down, rollout, drain of a node)   DRAIN_TIMEOUT, and never so long that the pod's grace leaves no time to save
//	the pod ends without being deleted                          not at all: they are saved at once, within LEAVE_TIMEOUT
//	there is no pod (a job on Cloud Run, a machine of one's own) DRAIN_TIMEOUT; that of a job should be 0, since it has 10 s in all
//
// SIGTERM is the same in all of them. The API server tells them apart, and asking it takes no right but that of package pod:
// who deletes a pod writes deletionTimestamp first, and the kubelet acts on that. Where the kubelet ends pods by itself it writes
// nothing until they have ended. That is mostly the shutdown of a node: a preempted spot node gives ordinary pods 15 s. Others
// are an eviction and a failed liveness probe, which leave little time, too. The metadata server cannot be asked: under Workload
// Identity it has no instance/preempted (GoogleCloudPlatform/k8s-node-termination-handler#23, banzaicloud/preemption-exporter#3).
//
// A node may shut down, or somebody may shorten the grace, while the pod drains already. Then there is no second SIGTERM:
// containerd sends one to a container and no more (its IsStopSignaledWithTimeout). But the kubelet begins anew with the shorter
// grace, and with that runs the container's preStop hook again (killContainer in its kuberuntime package). So the
// deployment's hook is a signal, SIGUSR1: the first comes with SIGTERM; each later one means that there is less time, also to
// save. A kubelet that was restarted runs the hook again, too: then experiments leave earlier than they need.
//
// What cannot be found out in time is taken for the worst: who leaves early goes on elsewhere from what is saved, who leaves
// late loses it. In time is within 4 s, in which two or three requests fit: one slow answer in a rollout ends nothing. It is asked
// again afterwards, so that saving gets the time that a deleted pod has. A pod that may not ask would end its experiments in every
// rollout: it asks once when it starts, and logs an error.
package drain
