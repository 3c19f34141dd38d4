// Package terraform checks what Terraform would make: formatting and schema with the real tool, behaviour with its own tests
// against mocked providers, and policies on the plans of these tests, which nothing but data is needed for.
package terraform

import (
	"fmt"
	"slices"
	"strings"
)

// projectRoles are all that may be granted on the whole project. Everything else is granted on a single resource.
var projectRoles = map[string]string{
	"module.gke.google_project_iam_member.nodes roles/container.defaultNodeServiceAccount":         "nodes write logs and metrics, which have no policy of their own",
	"module.gke.google_project_iam_member.image_streaming roles/serviceusage.serviceUsageConsumer": "image streaming calls an API in the project's name",
	"module.project.google_project_iam_member.build roles/logging.logWriter":                       "logs have no policy of their own",
	"module.project.google_project_iam_member.build a role of ours":                                "clusters have no policy of their own",
	"module.project.google_project_iam_member.doctor a role of ours":                               "the scheduler's job, quotas and metrics have no policy of their own",
	"module.storage.google_project_iam_member.listing a role of ours":                              "buckets are listed by project, and the StudioML client begins with that",
	"module.project.google_project_iam_member.eventarc roles/eventarc.serviceAgent":                "Google's own agent, by Google's own role",
	"module.functions.google_project_iam_member.eventarc roles/eventarc.eventReceiver":             "Eventarc asks for it on the project",
	"module.functions.google_project_iam_member.eventarc roles/pubsub.publisher":                   "Cloud Storage's agent, to the topic that Eventarc makes and names",
	"module.executor.google_project_iam_member.keda roles/monitoring.viewer":                       "metrics have no policy of their own",
	"module.executor.google_project_iam_member.starter roles/monitoring.viewer":                    "metrics have no policy of their own",
	"module.executor.google_project_iam_member.starter roles/workflows.invoker":                    "the provider knows no policy of a workflow",
}

// permissions are all that roles of our own may hold.
var permissions = map[string]string{
	"container.clusters.connect": "to speak with a control plane by its DNS name",
	"container.clusters.get":     "to find it",
	"cloudscheduler.jobs.get":    "to see whether relay is called",
	"compute.projects.get":       "to see quotas",
	"compute.regions.get":        "to see the region's",
	"monitoring.timeSeries.list": "to see what waits, and who takes it",
	"storage.buckets.list":       "S3's ListBuckets, which shows names",
}

// tooMuch are roles that nothing is granted anywhere.
var tooMuch = []string{"roles/owner", "roles/editor", "roles/viewer", "roles/storage.admin", "roles/pubsub.admin", "roles/pubsub.editor", "roles/secretmanager.admin", "roles/run.admin", "roles/container.admin"}

// Resource is one of a plan, with its values after it.
type Resource struct {
	Address string `json:"address"`
	Type    string `json:"type"`
	Change  struct {
		Actions []string       `json:"actions"`
		After   map[string]any `json:"after"`
	} `json:"change"`
}

// text returns an attribute that is text.
func (r Resource) text(name string) string {
	value, _ := r.Change.After[name].(string)
	return value
}

// texts returns an attribute that is a list of texts.
func (r Resource) texts(name string) (all []string) {
	list, _ := r.Change.After[name].([]any)
	for _, v := range list {
		if s, ok := v.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

// blocks returns nested blocks of a name.
func blocks(values map[string]any, name string) (all []map[string]any) {
	list, _ := values[name].([]any)
	for _, v := range list {
		if m, ok := v.(map[string]any); ok {
			all = append(all, m)
		}
	}
	return all
}

// Violations returns what the policies have against a plan, as sentences.
func Violations(plan []Resource) (all []string) {
	users := map[string][]string{}
	for _, r := range plan {
		all = append(all, roles(r)...)
		all = append(all, exposure(r)...)
		if account := accountOf(r); account != "" {
			users[account] = append(users[account], r.Address)
		}
	}
	for account, who := range users {
		if shared := deployables(who); len(shared) > 1 {
			all = append(all, fmt.Sprintf("%s is the account of %s: give each its own", account, strings.Join(shared, " and ")))
		}
	}
	slices.Sort(all)
	return all
}

// unindexed is an address without its instances' keys.
func unindexed(address string) string {
	before, _, _ := strings.Cut(address, "[")
	return before
}

func roles(r Resource) (all []string) {
	for _, permission := range r.texts("permissions") {
		if r.Type == "google_project_iam_custom_role" && permissions[permission] == "" {
			all = append(all, fmt.Sprintf("%s holds %s: grant it on a resource, or add it to the list with a reason", r.Address, permission))
		}
	}
	role := r.text("role")
	switch {
	case role == "":
		return all
	case strings.HasSuffix(r.Type, "_iam_binding"), strings.HasSuffix(r.Type, "_iam_policy"):
		return []string{r.Address + " takes away what others were granted: use an _iam_member"}
	case slices.Contains(tooMuch, role):
		all = append(all, fmt.Sprintf("%s grants %s: too much for anything", r.Address, role))
	case strings.HasPrefix(r.Type, "google_project_iam_"), strings.HasPrefix(r.Type, "google_folder_iam_"), strings.HasPrefix(r.Type, "google_organization_iam_"):
		if projectRoles[unindexed(r.Address)+" "+known(role)] == "" {
			all = append(all, fmt.Sprintf("%s grants %s on the whole project: grant it on a resource, or add it to the list with a reason", r.Address, role))
		}
	}
	if member := r.text("member"); member == "allUsers" || member == "allAuthenticatedUsers" {
		all = append(all, fmt.Sprintf("%s grants %s to %s: to everybody", r.Address, role, member))
	}
	return all
}

// known is a role's name but for roles of our own, which are judged by their permissions.
func known(role string) string {
	if strings.HasPrefix(role, "roles/") {
		return role
	}
	return "a role of ours"
}

func exposure(r Resource) (all []string) {
	after := r.Change.After
	switch r.Type {
	case "google_compute_firewall":
		if len(blocks(after, "allow")) == 0 {
			return nil
		}
		for _, allow := range blocks(after, "allow") {
			ports := fmt.Sprint(allow["ports"])
			if slices.Contains(r.texts("source_ranges"), "0.0.0.0/0") && ports != "[5671]" {
				all = append(all, fmt.Sprintf("%s lets the whole internet in on ports %s", r.Address, ports))
			}
			if strings.Contains(ports, "22") && !slices.Equal(r.texts("source_ranges"), []string{"35.235.240.0/20"}) {
				all = append(all, r.Address+" lets SSH in from elsewhere than Identity-Aware Proxy")
			}
		}
		if len(r.texts("target_service_accounts")) == 0 {
			all = append(all, r.Address+" holds for every machine of the network: name target_service_accounts")
		}
	case "google_storage_bucket":
		if after["uniform_bucket_level_access"] != true || after["public_access_prevention"] != "enforced" {
			all = append(all, r.Address+" may become public: uniform access and public_access_prevention")
		}
	case "google_cloud_run_v2_service":
		if after["ingress"] != "INGRESS_TRAFFIC_INTERNAL_ONLY" {
			all = append(all, r.Address+" is reached from outside")
		}
	case "google_container_cluster":
		for _, private := range blocks(after, "private_cluster_config") {
			if private["enable_private_nodes"] != true {
				all = append(all, r.Address+" has nodes with external addresses")
			}
		}
	}
	return all
}

// accountOf returns the service account that a machine, service, job or node pool runs as.
func accountOf(r Resource) string {
	after := r.Change.After
	var holders []map[string]any
	name := "service_account"
	switch r.Type {
	case "google_compute_instance":
		holders, name = blocks(after, "service_account"), "email"
	case "google_cloud_run_v2_service", "google_cloud_run_v2_worker_pool":
		holders = blocks(after, "template")
	case "google_cloud_run_v2_job":
		for _, outer := range blocks(after, "template") {
			holders = append(holders, blocks(outer, "template")...)
		}
	case "google_container_node_pool":
		holders = blocks(after, "node_config")
	default:
		return ""
	}
	if len(holders) == 1 {
		if email, _ := holders[0][name].(string); email != "" {
			return email
		}
	}
	return "the project's default account" // which is shared by all that name none
}

// forms are deployables in another form than that of the second address: one of the two works at a time, with one account's rights.
var forms = map[string]string{
	`module.functions.google_cloud_run_v2_worker_pool.relay["relay"]`: `module.functions.google_cloud_run_v2_service.this["relay"]`,
}

// deployables tells apart what must not share an account: each service, and the machines, jobs and node pools as kinds.
func deployables(addresses []string) []string {
	var all []string
	for _, a := range addresses {
		if other, ok := forms[a]; ok {
			a = other
		}
		if !strings.Contains(a, "google_cloud_run_v2_service") {
			a = unindexed(a)
			if strings.Contains(a, "google_container_node_pool") {
				a = "node pools"
			}
		}
		if !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}
