package reporting

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
	"github.com/leaf-ai/studio-cloud-runner/pkg/report"
)

// topic keeps what is published, or refuses it.
type topic struct {
	got []message.Reports
	err error
}

func (p *topic) Reports(_ context.Context, r message.Reports) error {
	if p.err == nil {
		p.got = append(p.got, r)
	}
	return p.err
}

func setup(t *testing.T) (*Sender, *topic, *envelope.PrivateKey) {
	t.Helper()
	key, err := envelope.GeneratePrivateKey(1024)
	if err != nil {
		t.Fatal(err)
	}
	set, err := tenant.Parse(fmt.Appendf(nil, `{"tenants":[{"prefix":"rmq_","store":"a-store","metadata":"a-metadata"},
	  {"prefix":"rmq_told","store":"a-store","metadata":"a-metadata","report_key":%q}]}`, key.Public().MarshalPEM()))
	if err != nil {
		t.Fatal(err)
	}
	p := &topic{}
	return &Sender{Tenants: func() *tenant.Set { return set }, Publisher: p}, p, key
}

func TestAnEndIsSealedForTheTenantsReader(t *testing.T) {
	t.Parallel()
	s, p, key := setup(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	of := Subject{Queue: "rmq_told_1", Attempt: "a", Executor: "e\xff"}
	if err := s.End(t.Context(), of, End{At: at, Reason: "Bad \xff bytes.", Code: 3}); err != nil {
		t.Fatal(err)
	}
	batch := p.got[0]
	if batch.Queue != of.Queue || batch.Attempt != "a" || len(batch.Reports) != 1 || batch.Reports[0].ID != "a/end" || batch.Reports[0].Kind != message.StateReport {
		t.Errorf("published %+v", batch)
	}
	r, err := report.Open([]byte(batch.Reports[0].Body), key)
	if err != nil {
		t.Fatal(err)
	}
	failure := r.GetProgress().GetError()
	if r.GetProgress().GetState() != report.TaskState_Failed || failure.GetMsg().GetValue() != "Bad \uFFFD bytes." || failure.GetCode() != 3 ||
		!r.GetTime().AsTime().Equal(at) || r.GetUniqueId().GetValue() != "a" || r.GetExecutorId().GetValue() != "e\uFFFD" || r.ExperimentId != nil {
		t.Errorf("reported %v", r)
	}
}

func TestWithoutAKeyNothingIsSentAndNothingFails(t *testing.T) {
	t.Parallel()
	s, p, _ := setup(t)
	p.err = errors.New("Pub/Sub is down")
	for name, sender := range map[string]*Sender{"no key": s, "no reports at all": nil} {
		if err := sender.End(t.Context(), Subject{Queue: "rmq_quiet", Attempt: "a"}, End{}); err != nil {
			t.Errorf("%s: End = %v", name, err)
		}
	}
	if err := s.End(t.Context(), Subject{Queue: "rmq_told", Attempt: "a"}, End{}); !errors.Is(err, p.err) {
		t.Errorf("End = %v; want what Pub/Sub says", err)
	}
}

func TestWhatIsLeftOutIsSaidInWords(t *testing.T) {
	t.Parallel()
	for want, l := range map[string]LeftOut{
		"1 line of output is": {Lines: 1}, "1200 lines of output and 1 line of JSON are": {Lines: 1200, JSON: 1}, "2 lines of JSON are": {JSON: 2},
	} {
		if got := l.String(); got != want || !l.Any() {
			t.Errorf("String = %q; want %q", got, want)
		}
	}
	var none LeftOut
	if none.Any() {
		t.Error("nothing is left out, and something is said")
	}
	fields := LeftOut{Lines: 7, JSON: 2}.Report(Subject{Attempt: "a"}, time.Now(), "why").GetLogging().GetFields()
	if fields["left_out_lines"] != "7" || fields["left_out_json"] != "2" {
		t.Errorf("fields are %v", fields)
	}
}
