package doctor

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
)

const (
	service = "/run/v2/projects/p/locations/r/services/studio-relay"
	poolJob = "/run/v2/projects/p/locations/r/jobs/studio-small"
	job     = "/cloudscheduler/v1/projects/p/locations/r/jobs/studio-relay"
	project = "/compute/compute/v1/projects/p"
	region  = "/compute/compute/v1/projects/p/regions/r"
	streams = "open_streaming_pulls"
	oldest  = "oldest_unacked_message_age"
	waiting = "num_undelivered_messages"

	serves   = `{"terminalCondition":{"type":"Ready","state":"CONDITION_SUCCEEDED"},"template":{"containers":[{"image":"x/bridge@sha256:1"}]}}`
	runsJob  = `{"terminalCondition":{"type":"Ready","state":"CONDITION_SUCCEEDED"},"template":{"template":{"containers":[{"image":"x/executor@sha256:1"}]}}}`
	standIn  = `{"terminalCondition":{"type":"Ready","state":"CONDITION_SUCCEEDED"},"template":{"containers":[{"image":"us-docker.pkg.dev/cloudrun/container/hello:latest"}]}}`
	notReady = `{"terminalCondition":{"type":"Ready","state":"CONDITION_FAILED","message":"secret not found"}}`
)

func value(n int) string {
	return fmt.Sprintf(`{"timeSeries":[{"points":[{"value":{"int64Value":"%d"}},{"value":{"int64Value":"99"}}]}]}`, n)
}

func called(ago time.Duration) string {
	return fmt.Sprintf(`{"state":"ENABLED","lastAttemptTime":%q}`, time.Now().Add(-ago).UTC().Format(time.RFC3339Nano))
}

// sound is what Google answers about a deployment that works; metrics by their name.
func sound() map[string]string {
	return map[string]string{
		service: serves, poolJob: runsJob, job: called(30 * time.Second),
		project: `{"quotas":[{"metric":"GPUS_ALL_REGIONS","limit":4,"usage":1}]}`,
		region:  `{"quotas":[{"metric":"NVIDIA_T4_GPUS","limit":4,"usage":1},{"metric":"NVIDIA_T4_VWS_GPUS","limit":1,"usage":0}]}`,
		streams: value(2), oldest: value(7200), waiting: value(3), letters: value(0),
	}
}

const letters = "dead letters waiting"

// google answers as its services do. "" is 404, "403" is that.
func google(t *testing.T, answers map[string]string) Deployment {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.URL.Path
		if strings.HasPrefix(key, "/monitoring/v3/projects/p/timeSeries") {
			filter := r.URL.Query().Get("filter")
			key = strings.TrimPrefix(strings.SplitN(filter, `"`, 3)[1], "pubsub.googleapis.com/subscription/")
			if key == waiting && strings.Contains(filter, `"`+deadLetters+`"`) {
				key = letters
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
		Google: server.URL, Name: "studio", Region: "r", Deployment: client.Deployment{Project: "p"},
		Pools: pool.List{{Name: "small", Kind: pool.KindRunJob}, {Name: "gpu", Kind: pool.KindGKE, GPUs: 1}},
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
		"function relay": "serves it", "scheduler": "relay was called", "executors small": "executors read", "executors gpu": "3 requests wait or run, the oldest for 2h",
		"dead letters": "none wait", "gpu quota": "NVIDIA_T4_GPUS 1 of 4",
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
		"no function":             {"function relay", map[string]string{service: ""}, Fail, "studio-relay", "terraform apply"},
		"function that fails":     {"function relay", map[string]string{service: notReady}, Fail, "secret not found", "see its log"},
		"function never built":    {"function relay", map[string]string{service: standIn}, Fail, "stands in", "gcloud builds submit"},
		"function of others":      {"function relay", map[string]string{service: "403"}, NotHere, "you may not", "sign in as somebody who may look"},
		"no scheduler":            {"scheduler", map[string]string{job: ""}, Fail, "studio-relay", "terraform apply"},
		"scheduler paused":        {"scheduler", map[string]string{job: `{"state":"PAUSED"}`}, Fail, "PAUSED", "jobs resume studio-relay --location r"},
		"scheduler never ran":     {"scheduler", map[string]string{job: `{"state":"ENABLED"}`}, Fail, "never called", "jobs run studio-relay"},
		"scheduler stopped":       {"scheduler", map[string]string{job: called(time.Hour)}, Fail, "last call was 1h", "jobs describe"},
		"relay refuses":           {"scheduler", map[string]string{job: strings.Replace(called(time.Minute), "{", `{"status":{"code":13},`, 1)}, Fail, "code 13", "log of the function studio-relay"},
		"scheduler of others":     {"scheduler", map[string]string{job: "403"}, NotHere, "you may not", "sign in"},
		"no job":                  {"executors small", map[string]string{poolJob: ""}, Fail, "studio-small", "terraform apply"},
		"requests that wait long": {"executors gpu", map[string]string{streams: `{}`}, Fail, "no executor, and 3 requests wait, the oldest for 2h", "kubectl -n studio get pods"},
		"requests that wait":      {"executors gpu", map[string]string{streams: value(0), oldest: value(60)}, Warn, "the oldest for 1m0s", "look again"},
		"pool at zero":            {"executors gpu", map[string]string{streams: `{}`, oldest: `{}`, waiting: value(0)}, Pass, "scaled to zero", ""},
		"nothing measured":        {"executors gpu", map[string]string{streams: `{}`, oldest: `{}`, waiting: `{}`}, NotHere, "has not measured", "try again"},
		"metrics of others":       {"executors gpu", map[string]string{streams: "403"}, NotHere, "you may not", "sign in"},
		"dead letters":            {"dead letters", map[string]string{letters: value(2)}, Warn, "2 or more wait, the oldest for 2h", "gcloud pubsub subscriptions pull studio-dead-letters"},
		"letters not measured":    {"dead letters", map[string]string{letters: `{}`}, NotHere, "has not measured", "try again"},
		"no GPU anywhere":         {"gpu quota", map[string]string{project: `{"quotas":[{"metric":"GPUS_ALL_REGIONS","limit":0}]}`}, Fail, "GPUS_ALL_REGIONS of the project is 0", "iam-admin/quotas"},
		"no GPU in the region":    {"gpu quota", map[string]string{region: `{"quotas":[{"metric":"NVIDIA_T4_GPUS","limit":0},{"metric":"CPUS","limit":9}]}`}, Fail, "no GPU in r", "iam-admin/quotas"},
		"all GPUs in use":         {"gpu quota", map[string]string{region: `{"quotas":[{"metric":"NVIDIA_T4_GPUS","limit":1,"usage":1}]}`}, Warn, "in use", "iam-admin/quotas"},
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

func TestWithoutARegionWhatIsInOneIsNotPassed(t *testing.T) {
	t.Parallel()
	d := google(t, sound())
	d.Region = ""
	for _, name := range []string{"function relay", "scheduler", "executors small", "gpu quota"} {
		expect(t, examined(t, d, name), NotHere, "region is not known", "--region")
	}
	d.Pools = nil
	expect(t, examined(t, d, "gpu quota"), NotHere, "no pool with GPUs", "--pools")
}
