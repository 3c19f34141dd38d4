package message

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/grpc/codes"
)

func reports() Reports {
	return Reports{Queue: "rmq_test", Experiment: "k1", Attempt: "a1", Executor: "executor-0", Reports: []Report{
		{ID: "a1/1", Kind: StateReport, Body: "QUI=,QUJD"}, {ID: "a1/2", Kind: LogReport, Body: "QUI=,QUJE"}, {ID: "a1/3", Kind: JSONReport, Body: "QUI=,QUJF"},
	}}
}

func data(t *testing.T, r Reports) []byte {
	t.Helper()
	data, err := r.Data()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestABatchOfReportsIsThatOfTheContract(t *testing.T) {
	t.Parallel()
	r := reports()
	r.Reports = r.Reports[:1]
	if got := string(data(t, r)); got != `{"reports":[{"id":"a1/1","kind":"state","body":"QUI=,QUJD"}]}` {
		t.Errorf("Data = %s", got)
	}
	want := map[string]string{"queue": "rmq_test", "experiment": "k1", "attempt": "a1", "executor": "executor-0"}
	if got := r.Attributes(); !maps.Equal(got, want) {
		t.Errorf("Attributes = %v; want %v", got, want)
	}
}

func TestABatchOfReportsSurvivesTheWay(t *testing.T) {
	t.Parallel()
	p, server := setup(t, true)
	p.topic.EnableMessageOrdering = true
	want := reports()
	if err := p.Reports(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	m := server.Messages()[0]
	got, err := ReportsFrom(m.Attributes, m.Data)
	if err != nil || !slices.Equal(got.Reports, want.Reports) || !maps.Equal(got.Attributes(), want.Attributes()) {
		t.Errorf("ReportsFrom = %+v, %v; want %+v", got, err, want)
	}
	if m.OrderingKey != "a1" {
		t.Errorf("ordering key %q; want the attempt", m.OrderingKey)
	}
}

func TestReportsGoOnAfterAFailedPublish(t *testing.T) {
	t.Parallel()
	refuse := pstest.WithErrorInjection("Publish", codes.PermissionDenied, "no")
	p, _ := setup(t, true, refuse)
	p.topic.EnableMessageOrdering = true
	for range 2 { // the second is not refused because of the first: its key would be paused
		if err := p.Reports(t.Context(), reports()); err == nil || !strings.Contains(err.Error(), "PermissionDenied") {
			t.Errorf("Reports: %v; want what Pub/Sub says", err)
		}
	}
}

func TestWhatIsNoBatchOfReportsIsInvalid(t *testing.T) {
	t.Parallel()
	tests := map[string]func(r *Reports) []byte{
		"no queue":            func(r *Reports) []byte { r.Queue = ""; return nil },
		"a queue too long":    func(r *Reports) []byte { r.Queue = strings.Repeat("q", 238); return nil },
		"no attempt":          func(r *Reports) []byte { r.Attempt = ""; return nil },
		"no JSON":             func(*Reports) []byte { return []byte("secret") },
		"an array":            func(*Reports) []byte { return []byte("[]") },
		"no reports":          func(*Reports) []byte { return []byte(`{"reports":[]}`) },
		"nothing":             func(*Reports) []byte { return []byte{} },
		"no id":               func(r *Reports) []byte { r.Reports[1].ID = ""; return nil },
		"an id too long":      func(r *Reports) []byte { r.Reports[1].ID = strings.Repeat("i", 256); return nil },
		"another kind":        func(r *Reports) []byte { r.Reports[2].Kind = "text"; return nil },
		"a body in clear":     func(r *Reports) []byte { r.Reports[0].Body = `{"text": "secret"}`; return nil },
		"a body of one part":  func(r *Reports) []byte { r.Reports[0].Body = "QUJD"; return nil },
		"a body of three":     func(r *Reports) []byte { r.Reports[0].Body = "QUJD,QUJD,QUJD"; return nil },
		"a body that is none": func(r *Reports) []byte { r.Reports[0].Body = ""; return nil },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := reports()
			text := spoil(&r)
			if text == nil {
				text = data(t, r)
			}
			if got, err := ReportsFrom(r.Attributes(), text); !errors.Is(err, ErrInvalidReports) || strings.Contains(err.Error(), "secret") {
				t.Errorf("ReportsFrom = %+v, %v; want ErrInvalidReports", got, err)
			}
		})
	}
}

func TestTheLongestQueueHasReports(t *testing.T) {
	t.Parallel()
	r := reports()
	r.Queue = strings.Repeat("q", 237) // with what the routing key adds to it, 255
	if _, err := ReportsFrom(r.Attributes(), data(t, r)); err != nil {
		t.Error(err)
	}
}
