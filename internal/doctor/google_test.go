package doctor

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
)

const (
	service   = "/run/v2/projects/p/locations/r/services/studio-relay"
	reporter  = "/run/v2/projects/p/locations/r/services/studio-report"
	finalizer = "/run/v2/projects/p/locations/r/services/studio-finalize"
	poolJob   = "/run/v2/projects/p/locations/r/jobs/studio-small"
	job       = "/cloudscheduler/v1/projects/p/locations/r/jobs/studio-relay"
	starts    = "/cloudscheduler/v1/projects/p/locations/r/jobs/studio-start-small"
	workflow  = "/workflows/v1/projects/p/locations/r/workflows/studio-start-small"
	runs      = "/workflowexecutions/v1/projects/p/locations/r/workflows/studio-start-small/executions"
	triggers  = "/eventarc/v1/projects/p/locations/r/triggers"
	notices   = "/storage/v1/b/a-store/notificationConfigs"
	number    = "/cloudresourcemanager/v1/projects/p"
	grants    = "/cloudresourcemanager/v1/projects/p:getIamPolicy"
	publishes = "/pubsub/v1/projects/p/topics/studio-dead-letters:getIamPolicy"
	reads     = "/pubsub/v1/projects/p/subscriptions/studio-requests-gpu:getIamPolicy"
	readsJobs = "/pubsub/v1/projects/p/subscriptions/studio-requests-small:getIamPolicy"
	project   = "/compute/compute/v1/projects/p"
	region    = "/compute/compute/v1/projects/p/regions/r"
	streams   = "open_streaming_pulls"
	oldest    = "oldest_unacked_message_age"
	waiting   = "num_undelivered_messages"
	letters   = waiting + " studio-dead-letters"
	pushed    = "push_request_count studio-reports"
	reported  = oldest + " studio-reports"
	told      = "push_request_count eventarc-sub"
	untold    = oldest + " eventarc-sub"
	requested = "request_count studio-finalize"

	serves   = `{"terminalCondition":{"type":"Ready","state":"CONDITION_SUCCEEDED"},"template":{"containers":[{"image":"x/bridge@sha256:1"}]}}`
	runsJob  = `{"terminalCondition":{"type":"Ready","state":"CONDITION_SUCCEEDED"},"template":{"template":{"containers":[{"image":"x/executor@sha256:1"}]}}}`
	standIn  = `{"terminalCondition":{"type":"Ready","state":"CONDITION_SUCCEEDED"},"template":{"containers":[{"image":"us-docker.pkg.dev/cloudrun/container/hello:latest"}]}}`
	notReady = `{"terminalCondition":{"type":"Ready","state":"CONDITION_FAILED","message":"secret not found"}}`
)

const aTrigger = `{"triggers":[
	{"name":"projects/p/locations/r/triggers/others","eventFilters":[{"attribute":"type","value":"google.cloud.storage.object.v1.finalized"},{"attribute":"bucket","value":"b-store"}]},
	{"name":"projects/p/locations/r/triggers/studio-1","eventFilters":[{"attribute":"bucket","value":"a-store"},{"attribute":"type","value":"google.cloud.storage.object.v1.finalized"}],
	"destination":{"cloudRun":{"service":"studio-finalize","region":"r"}},"transport":{"pubsub":{"topic":"projects/p/topics/eventarc-t","subscription":"projects/p/subscriptions/eventarc-sub"}}}]}`

// notice is a bucket's notification of all new objects to a topic.
func notice(topic, more string) string {
	return fmt.Sprintf(`{"items":[{"id":"1","topic":"//pubsub.googleapis.com/projects/p/topics/%s","event_types":["OBJECT_FINALIZE"],"payload_format":"JSON_API_V1"%s}]}`, topic, more)
}

// allows is a policy in which Pub/Sub's account has a role.
func allows(role string) string {
	return fmt.Sprintf(`{"bindings":[{"role":"roles/viewer","members":["user:a@b.c"]},{"role":%q,"members":["serviceAccount:service-77@gcp-sa-pubsub.iam.gserviceaccount.com"]}]}`, role)
}

// classed are calls that Cloud Monitoring counted, a minute each, the last of them so long ago.
func classed(label string, ago time.Duration, counts map[string]int) string {
	var all []string
	for class, n := range counts {
		all = append(all, fmt.Sprintf(`{"metric":{"labels":{%q:%q}},"points":[{"interval":{"startTime":%q},"value":{"int64Value":"%d"}}]}`,
			label, class, time.Now().Add(-ago).UTC().Format(time.RFC3339Nano), n))
	}
	return `{"timeSeries":[` + strings.Join(all, ",") + `]}`
}

// changed is a service that works since then.
func changed(ago time.Duration) string {
	return strings.Replace(serves, "{", fmt.Sprintf(`{"updateTime":%q,`, time.Now().Add(-ago).UTC().Format(time.RFC3339Nano)), 1)
}

func value(n int) string {
	return fmt.Sprintf(`{"timeSeries":[{"points":[{"value":{"int64Value":"%d"}},{"value":{"int64Value":"99"}}]}]}`, n)
}

func called(ago time.Duration) string {
	return fmt.Sprintf(`{"state":"ENABLED","lastAttemptTime":%q}`, time.Now().Add(-ago).UTC().Format(time.RFC3339Nano))
}

// sound is what Google answers about a deployment that works; metrics by their name.
func sound() map[string]string {
	return map[string]string{
		service: serves, reporter: serves, finalizer: serves, poolJob: runsJob, job: called(30 * time.Second), starts: called(time.Minute),
		workflow: `{"state":"ACTIVE"}`, runs: `{"executions":[{"state":"ACTIVE"},{"state":"SUCCEEDED"},{"state":"FAILED"}]}`,
		triggers: aTrigger, notices: notice("eventarc-t", ""),
		pushed: classed("response_class", time.Minute, map[string]int{"ack": 9, "remote_server_5xx": 1}), reported: value(3),
		told: classed("response_class", time.Minute, map[string]int{"ack": 2}), untold: value(0),
		requested: classed("response_code_class", time.Minute, map[string]int{"2xx": 4}),
		number:    `{"projectNumber":"77"}`, grants: `{}`, publishes: allows("roles/pubsub.publisher"), reads: allows("roles/pubsub.subscriber"), readsJobs: allows("roles/pubsub.subscriber"),
		project: `{"quotas":[{"metric":"GPUS_ALL_REGIONS","limit":4,"usage":1}]}`,
		region:  `{"quotas":[{"metric":"NVIDIA_T4_GPUS","limit":4,"usage":1},{"metric":"NVIDIA_T4_VWS_GPUS","limit":1,"usage":0}]}`,
		streams: value(2), oldest: value(7200), waiting: value(3), letters: value(0),
	}
}

// google answers as its services do. "" is 404, "403" is that.
func google(t *testing.T, answers map[string]string) Deployment {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.URL.Path
		if strings.HasPrefix(key, "/monitoring/v3/projects/p/timeSeries") {
			filter := r.URL.Query().Get("filter")
			metric := strings.SplitN(filter, `"`, 5)
			key = path.Base(metric[1])
			if of := key + " " + metric[3]; answers[of] != "" {
				key = of
			}
		}
		w.Header().Set("Content-Type", "application/json")
		switch text := answers[key]; text {
		case "":
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprint(w, `{"error":{"code":404,"message":"no such thing","status":"NOT_FOUND"}}`)
		case "403":
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprint(w, `{"error":{"code":403,"message":"you may not","status":"PERMISSION_DENIED"}}`)
		default:
			_, _ = fmt.Fprint(w, text)
		}
	}))
	t.Cleanup(server.Close)
	return Deployment{
		Google: server.URL, Name: "studio", Region: "r", Deployment: client.Deployment{Project: "p", StorageEmulator: server.URL}, Stores: []string{"a-store"},
		Machines: map[string]Machine{"gpu": {MaxNodes: 2, GPUType: "nvidia-tesla-t4"}},
		Pools:    pool.List{{Name: "small", Kind: pool.KindRunJob}, {Name: "gpu", Kind: pool.KindGKE, GPUs: 1}},
	}
}

// examined runs one check of the deployment.
func examined(t *testing.T, d Deployment, name string) Finding {
	t.Helper()
	for _, c := range d.Checks() {
		if c.Name == name {
			return c.Examine(t.Context())
		}
	}
	t.Fatalf("there is no check %q", name)
	return Finding{}
}

func expect(t *testing.T, got Finding, status Status, says, next string) {
	t.Helper()
	if got.Status != status || !strings.Contains(got.Says, says) || !strings.Contains(got.Next, next) {
		t.Errorf("found %+v; want %s, %q, next %q", got, status, says, next)
	}
	if got.Status == Fail && got.Next == "" {
		t.Errorf("%+v does not say what to do", got)
	}
}

func TestAGoogleDeploymentThatWorksPasses(t *testing.T) {
	t.Parallel()
	d := google(t, sound())
	for name, says := range map[string]string{
		"function relay": "serves it", "scheduler": "relay was called", "starter small": "last run succeeded",
		"function report": "9 of 10 pushes in the last 1h0m0s were answered well; nothing waits long", "function finalize": "4 of 4 calls that reached it",
		"trigger a-store": "trigger studio-1 calls studio-finalize; 2 of 2 pushes", "dead letter rights": "may forward", "executors small": "executors read", "executors gpu": "3 requests wait or run, the oldest for 2h",
		"dead letters": "none wait", "gpu quota": "NVIDIA_T4_GPUS: 1 of 4 in use, enough for 2 nodes",
	} {
		expect(t, examined(t, d, name), Pass, says, "")
	}
}

func TestWhatIsIllInGoogleIsFoundWithWhatToDo(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		check      string
		answers    map[string]string
		status     Status
		says, next string
	}{
		"no function":               {"function relay", map[string]string{service: ""}, Fail, "studio-relay", "terraform apply"},
		"function that fails":       {"function relay", map[string]string{service: notReady}, Fail, "secret not found", "see its log"},
		"function never built":      {"function relay", map[string]string{service: standIn}, Fail, "stands in", "gcloud builds submit"},
		"function of others":        {"function relay", map[string]string{service: "403"}, NotHere, "you may not", "sign in as somebody who may look"},
		"no scheduler":              {"scheduler", map[string]string{job: ""}, Fail, "studio-relay", "terraform apply"},
		"scheduler paused":          {"scheduler", map[string]string{job: `{"state":"PAUSED"}`}, Fail, "PAUSED", "jobs resume studio-relay --location r"},
		"scheduler never ran":       {"scheduler", map[string]string{job: `{"state":"ENABLED"}`}, Fail, "never called", "jobs run studio-relay"},
		"scheduler stopped":         {"scheduler", map[string]string{job: called(time.Hour)}, Fail, "last call was 1h", "jobs describe"},
		"relay refuses":             {"scheduler", map[string]string{job: strings.Replace(called(time.Minute), "{", `{"status":{"code":13},`, 1)}, Fail, "code 13", "log of the function studio-relay"},
		"scheduler of others":       {"scheduler", map[string]string{job: "403"}, NotHere, "you may not", "sign in"},
		"no job":                    {"executors small", map[string]string{poolJob: ""}, Fail, "studio-small", "terraform apply"},
		"requests that wait long":   {"executors gpu", map[string]string{streams: `{}`}, Fail, "no executor, and 3 requests wait, the oldest for 2h", "kubectl -n studio get pods"},
		"requests that wait":        {"executors gpu", map[string]string{streams: value(0), oldest: value(60)}, Warn, "the oldest for 1m0s", "look again"},
		"pool at zero":              {"executors gpu", map[string]string{streams: `{}`, oldest: `{}`, waiting: value(0)}, Pass, "scaled to zero", ""},
		"nothing measured":          {"executors gpu", map[string]string{streams: `{}`, oldest: `{}`, waiting: `{}`}, NotHere, "has not measured", "try again"},
		"metrics of others":         {"executors gpu", map[string]string{streams: "403"}, NotHere, "you may not", "sign in"},
		"dead letters":              {"dead letters", map[string]string{letters: value(2)}, Warn, "2 or more wait, the oldest for 2h", "gcloud pubsub subscriptions pull studio-dead-letters"},
		"letters not measured":      {"dead letters", map[string]string{letters: `{}`}, NotHere, "has not measured", "try again"},
		"rollout that fails":        {"function relay", map[string]string{service: notReady}, Fail, "secret not found", "gcloud run services update-traffic studio-relay --region r --to-revisions REVISION=100"},
		"reports all refused":       {"function report", map[string]string{pushed: classed("response_class", time.Minute, map[string]int{"remote_server_5xx": 7, "unreachable": 1})}, Fail, "none of 8 pushes in the last 1h0m0s was answered well: remote_server_5xx, unreachable", "services logs read studio-report"},
		"reports that wait":         {"function report", map[string]string{reported: value(1200)}, Fail, "waits in studio-reports waits for 20m0s", "services logs read studio-report"},
		"before a rollout":          {"function report", map[string]string{reporter: changed(5 * time.Minute), pushed: classed("response_class", 6*time.Minute, map[string]int{"remote_server_5xx": 7}), reported: value(1200)}, Pass, "since its last change; what waits for 20m0s was there before", ""},
		"since a rollout":           {"function report", map[string]string{reporter: changed(5 * time.Minute), pushed: classed("response_class", time.Minute, map[string]int{"remote_server_5xx": 7})}, Fail, "none of 7 pushes in the 5m", "studio-report"},
		"no reports":                {"function report", map[string]string{pushed: `{}`, reported: `{}`}, Pass, "serves it; no pushes in the last 1h0m0s; nothing waits long", ""},
		"reports not seen":          {"function report", map[string]string{pushed: "403"}, NotHere, "serves it; its pushes are not seen", "sign in"},
		"backlog not seen":          {"function report", map[string]string{reported: "403"}, NotHere, "what waits for it is not seen", "sign in"},
		"finalize refuses":          {"function finalize", map[string]string{requested: classed("response_code_class", time.Minute, map[string]int{"5xx": 3})}, Fail, "none of 3 calls that reached it", "services logs read studio-finalize"},
		"finalize not called":       {"function finalize", map[string]string{requested: `{}`}, Pass, "no calls that reached it in the last", ""},
		"finalize not seen":         {"function finalize", map[string]string{requested: "403"}, NotHere, "its answers are not seen", "sign in"},
		"rare schedule":             {"starter small", map[string]string{starts: strings.Replace(called(time.Hour), "{", `{"scheduleTime":"2999-01-01T00:00:00Z",`, 1)}, Pass, "called 1h", ""},
		"no starter":                {"starter small", map[string]string{starts: ""}, Fail, "studio-start-small", "terraform apply"},
		"starter paused":            {"starter small", map[string]string{starts: `{"state":"PAUSED"}`}, Fail, "nobody starts tasks", "jobs resume studio-start-small --location r"},
		"starter may not":           {"starter small", map[string]string{starts: strings.Replace(called(time.Minute), "{", `{"status":{"code":7},`, 1)}, Fail, "code 7", "roles/workflows.invoker"},
		"no workflow":               {"starter small", map[string]string{workflow: ""}, Fail, "workflow studio-start-small", "terraform apply"},
		"workflow out of service":   {"starter small", map[string]string{workflow: `{"state":"UNAVAILABLE"}`}, Fail, "UNAVAILABLE", "terraform apply"},
		"workflow that fails":       {"starter small", map[string]string{runs: `{"executions":[{"state":"FAILED"},{"state":"SUCCEEDED"}]}`}, Fail, "last run is FAILED", "gcloud workflows executions list studio-start-small --location r"},
		"workflow never ran":        {"starter small", map[string]string{runs: `{}`}, Pass, "no run of the workflow has ended", ""},
		"workflow of others":        {"starter small", map[string]string{runs: "403"}, NotHere, "you may not", "sign in"},
		"no trigger":                {"trigger a-store", map[string]string{triggers: `{}`}, Fail, "no Eventarc trigger tells studio-finalize", "terraform apply"},
		"trigger of others":         {"trigger a-store", map[string]string{triggers: strings.ReplaceAll(aTrigger, "studio-finalize", "other")}, Fail, "studio-1 calls other in r", "terraform apply"},
		"trigger of metadata":       {"trigger a-store", map[string]string{triggers: strings.ReplaceAll(aTrigger, "object.v1.finalized", "object.v1.metadataUpdated")}, Fail, "no Eventarc trigger", "terraform apply"},
		"trigger that fails":        {"trigger a-store", map[string]string{triggers: strings.Replace(aTrigger, `"destination"`, `"conditions":{"auth":{"code":"PERMISSION_DENIED","message":"no token"}},"destination"`, 1)}, Fail, "auth PERMISSION_DENIED: no token", "gcloud eventarc triggers describe studio-1 --location r"},
		"bucket that does not tell": {"trigger a-store", map[string]string{notices: notice("studio-artifacts", "")}, Fail, "does not tell Eventarc's topic eventarc-t", "-replace"},
		"bucket that tells half":    {"trigger a-store", map[string]string{notices: notice("eventarc-t", `,"object_name_prefix":"x/"`)}, Fail, "does not tell", "-replace"},
		"bucket of others":          {"trigger a-store", map[string]string{notices: "403"}, Pass, "studio-1 calls studio-finalize (the bucket's side of it is not seen)", ""},
		"triggers of others":        {"trigger a-store", map[string]string{triggers: "403"}, NotHere, "you may not", "sign in"},
		"events all refused":        {"trigger a-store", map[string]string{told: classed("response_class", time.Minute, map[string]int{"remote_server_4xx": 2})}, Fail, "none of 2 pushes", "may call it"},
		"events that wait":          {"trigger a-store", map[string]string{untold: value(1200)}, Fail, "eventarc-sub waits for 20m0s", "may call it"},
		"events before a rollout":   {"trigger a-store", map[string]string{finalizer: changed(time.Minute), untold: value(1200)}, Pass, "was there before the change", ""},
		"no right to publish":       {"dead letter rights", map[string]string{publishes: `{}`}, Fail, "lacks roles/pubsub.publisher on topic studio-dead-letters", "terraform apply"},
		"no right to read":          {"dead letter rights", map[string]string{reads: allows("roles/pubsub.viewer")}, Fail, "roles/pubsub.subscriber on subscription studio-requests-gpu: what is given up", "terraform apply"},
		"right of another project":  {"dead letter rights", map[string]string{publishes: strings.ReplaceAll(allows("roles/pubsub.publisher"), "-77@", "-78@")}, Fail, "service-77@", "terraform apply"},
		"right of the project":      {"dead letter rights", map[string]string{publishes: `{}`, grants: allows("roles/pubsub.editor")}, Pass, "the project grants it", ""},
		"right perhaps":             {"dead letter rights", map[string]string{publishes: `{}`, grants: "403"}, Warn, "unless the project grants it", "terraform apply"},
		"rights not seen":           {"dead letter rights", map[string]string{reads: "403"}, NotHere, "you may not", "roles/iam.securityReviewer"},
		"project not seen":          {"dead letter rights", map[string]string{number: "403"}, NotHere, "the project's number", "roles/iam.securityReviewer"},
		"requests that vanished":    {"dead letter rights", map[string]string{reads: ""}, Fail, "no such thing", "terraform apply"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answers := sound()
			maps.Copy(answers, tc.answers)
			expect(t, examined(t, google(t, answers), tc.check), tc.status, tc.says, tc.next)
		})
	}
}

func TestAWorkerIsLookedAtInPlaceOfTheScheduler(t *testing.T) {
	t.Parallel()
	const worker, ended, failed = "/run/v2/projects/p/locations/r/workerPools/studio-relay-worker", "relay_runs cloud_run_worker_pool", "relay_faults cloud_run_worker_pool"
	at := func(ago time.Duration) string {
		return strings.Replace(changed(ago), "{", `{"scaling":{"manualInstanceCount":1},`, 1)
	}
	lines := func(n int) string { return classed("", time.Minute, map[string]int{"": n}) }
	for name, tc := range map[string]struct {
		answers    map[string]string
		status     Status
		says, next string
	}{
		"that works":               {nil, Pass, "12 runs ended, 1 failed", ""},
		"that is new":              {map[string]string{worker: at(time.Second), ended: `{}`, failed: `{}`}, Pass, "0 runs ended", ""},
		"that is not there":        {map[string]string{worker: ""}, Fail, "studio-relay-worker", "terraform apply"},
		"of others":                {map[string]string{worker: "403"}, NotHere, "you may not", "sign in"},
		"without instances":        {map[string]string{worker: changed(time.Hour)}, Fail, "no instances", "--instances 1"},
		"that does not start":      {map[string]string{worker: strings.Replace(notReady, "{", `{"scaling":{"manualInstanceCount":1},`, 1)}, Fail, "secret not found", "update-instance-split"},
		"that was never built":     {map[string]string{worker: strings.Replace(standIn, "{", `{"scaling":{"manualInstanceCount":1},`, 1)}, Fail, "stands in", "gcloud builds submit"},
		"whose runs fail":          {map[string]string{ended: lines(1), failed: lines(3)}, Fail, "3 of its runs failed", "gcloud logging read"},
		"of which nothing is read": {map[string]string{ended: `{}`, failed: `{}`}, Fail, "no run", "gcloud logging read"},
		"whose runs are not seen":  {map[string]string{ended: "403"}, NotHere, "its runs are not seen", "sign in"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answers := sound()
			maps.Copy(answers, map[string]string{job: "", worker: at(time.Hour), ended: lines(12), failed: lines(1)})
			maps.Copy(answers, tc.answers)
			d := google(t, answers)
			d.Worker = "studio-relay-worker"
			expect(t, examined(t, d, "scheduler"), tc.status, tc.says, tc.next)
		})
	}
}

func TestWithoutARegionWhatIsInOneIsNotPassed(t *testing.T) {
	t.Parallel()
	d := google(t, sound())
	d.Region = ""
	for _, name := range []string{"function relay", "scheduler", "starter small", "executors small", "trigger a-store", "gpu quota"} {
		expect(t, examined(t, d, name), NotHere, "region is not known", "--region")
	}
	d.Pools = nil
	expect(t, examined(t, d, "gpu quota"), NotHere, "no pool with GPUs", "--pools")
}
