package terraform

import (
	"encoding/json"
	"strings"
	"testing"
)

// Each policy, by the smallest plan that it is against.
func TestPolicies(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ plan, want string }{
		"a role on the project that nobody gave a reason for": {`[{"address":"module.x.google_project_iam_member.y","type":"google_project_iam_member","change":{"after":{"role":"roles/pubsub.publisher","member":"serviceAccount:a"}}}]`, "on the whole project"},
		"a known role, elsewhere":                             {`[{"address":"module.executor.google_project_iam_member.y","type":"google_project_iam_member","change":{"after":{"role":"roles/monitoring.viewer"}}}]`, "on the whole project"},
		"a role of ours, elsewhere":                           {`[{"address":"module.executor.google_project_iam_member.y","type":"google_project_iam_member","change":{"after":{"role":"projects/p/roles/build"}}}]`, "on the whole project"},
		"a role of ours that may more than its reason says":   {`[{"address":"google_project_iam_custom_role.y","type":"google_project_iam_custom_role","change":{"after":{"permissions":["container.clusters.get","container.secrets.get"]}}}]`, "holds container.secrets.get"},
		"editor on a single resource":                         {`[{"address":"google_pubsub_topic_iam_member.y","type":"google_pubsub_topic_iam_member","change":{"after":{"role":"roles/editor"}}}]`, "too much"},
		"a bucket for everybody":                              {`[{"address":"google_storage_bucket_iam_member.y","type":"google_storage_bucket_iam_member","change":{"after":{"role":"roles/storage.objectViewer","member":"allUsers"}}}]`, "to everybody"},
		"a binding":                                           {`[{"address":"google_pubsub_topic_iam_binding.y","type":"google_pubsub_topic_iam_binding","change":{"after":{"role":"roles/pubsub.publisher"}}}]`, "takes away"},
		"SSH for all":                                         {`[{"address":"google_compute_firewall.y","type":"google_compute_firewall","change":{"after":{"source_ranges":["0.0.0.0/0"],"target_service_accounts":["a"],"allow":[{"ports":["22"]}]}}}]`, "the whole internet"},
		"a rule for every machine":                            {`[{"address":"google_compute_firewall.y","type":"google_compute_firewall","change":{"after":{"source_ranges":["10.0.0.0/8"],"allow":[{"ports":["5671"]}]}}}]`, "every machine"},
		"a bucket that may become public":                     {`[{"address":"google_storage_bucket.y","type":"google_storage_bucket","change":{"after":{"uniform_bucket_level_access":true,"public_access_prevention":"inherited"}}}]`, "may become public"},
		"a function for everybody":                            {`[{"address":"google_cloud_run_v2_service.y","type":"google_cloud_run_v2_service","change":{"after":{"ingress":"INGRESS_TRAFFIC_ALL","template":[{"service_account":"a"}]}}}]`, "from outside"},
		"nodes with addresses":                                {`[{"address":"google_container_cluster.y","type":"google_container_cluster","change":{"after":{"private_cluster_config":[{"enable_private_nodes":false}]}}}]`, "external addresses"},
		"one account for two functions": {`[{"address":"google_cloud_run_v2_service.this[\"a\"]","type":"google_cloud_run_v2_service","change":{"after":{"ingress":"INGRESS_TRAFFIC_INTERNAL_ONLY","template":[{"service_account":"s"}]}}},
			{"address":"google_cloud_run_v2_service.this[\"b\"]","type":"google_cloud_run_v2_service","change":{"after":{"ingress":"INGRESS_TRAFFIC_INTERNAL_ONLY","template":[{"service_account":"s"}]}}}]`, "give each its own"},
		"the bridge as a service and as a worker": {`[{"address":"module.functions.google_cloud_run_v2_service.this[\"relay\"]","type":"google_cloud_run_v2_service","change":{"after":{"ingress":"INGRESS_TRAFFIC_INTERNAL_ONLY","template":[{"service_account":"s"}]}}},
			{"address":"module.functions.google_cloud_run_v2_worker_pool.relay[\"relay\"]","type":"google_cloud_run_v2_worker_pool","change":{"after":{"template":[{"service_account":"s"}]}}}]`, ""},
		"a worker with another function's account": {`[{"address":"module.functions.google_cloud_run_v2_service.this[\"report\"]","type":"google_cloud_run_v2_service","change":{"after":{"ingress":"INGRESS_TRAFFIC_INTERNAL_ONLY","template":[{"service_account":"s"}]}}},
			{"address":"module.functions.google_cloud_run_v2_worker_pool.relay[\"relay\"]","type":"google_cloud_run_v2_worker_pool","change":{"after":{"template":[{"service_account":"s"}]}}}]`, "give each its own"},
		"all well": {`[{"address":"module.executor.google_project_iam_member.keda","type":"google_project_iam_member","change":{"after":{"role":"roles/monitoring.viewer","member":"serviceAccount:a"}}}]`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var plan []Resource
			if err := json.Unmarshal([]byte(tc.plan), &plan); err != nil {
				t.Fatal(err)
			}
			got := strings.Join(Violations(plan), "\n")
			if (tc.want == "") != (got == "") || !strings.Contains(got, tc.want) {
				t.Errorf("Violations = %q; want %q", got, tc.want)
			}
		})
	}
}
