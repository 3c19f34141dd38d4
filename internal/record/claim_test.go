package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/api/googleapi"
)

// Everything rests on the server refusing a write whose generation is stale.
func TestStorageRefusesStaleGenerations(t *testing.T) {
	t.Parallel()
	c := setup(t)
	ctx := t.Context()
	first, err := c.put(ctx, "meta", "o", 0, []byte("1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.put(ctx, "meta", "o", 0, []byte("2")); !errors.Is(err, errPrecondition) {
		t.Errorf("second creation: %v", err)
	}
	if _, err := c.put(ctx, "meta", "o", first, []byte("2")); err != nil {
		t.Error(err)
	}
	if _, err := c.put(ctx, "meta", "o", first, []byte("3")); !errors.Is(err, errPrecondition) {
		t.Errorf("stale write: %v", err)
	}
	if err := c.remove(ctx, "meta", "o", first); err != nil {
		t.Error(err)
	}
	if data, _, err := c.get(ctx, "meta", "o"); string(data) != "2" {
		t.Errorf("after a stale removal: %q, %v", data, err)
	}
}

const old = "00000000-old"

// An attempt that started two minutes ago and may have shown life since.
func running(status, more string) string {
	started := began.Add(-2 * time.Minute).Format(time.RFC3339)
	return fmt.Sprintf(`{"status":%q,"cloud":{"attempt":%q,"attempts":[{"id":%q,"executor":"pod-0","started":%q%s}]}}`,
		status, old, old, started, more)
}

func TestClaimDecides(t *testing.T) {
	t.Parallel()
	failed := `{"id":"a","ended":"2026-01-01T00:00:00Z","outcome":"infrastructure"},`
	drained := `{"id":"b","ended":"2026-01-01T00:00:00Z","outcome":"drained"},`
	three := strings.Replace(running("running", ""), `[{`, "["+failed+drained+failed+"{", 1)
	tests := map[string]struct {
		record string
		beat   time.Duration // how long ago the old attempt's lease was renewed; 0 for no lease
		leaser string
		want   func(error) bool // nil: won
		number int
		before string // outcome of the attempt before
	}{
		"no record":                          {number: 1},
		"waiting":                            {record: `{"status":"waiting"}`, number: 1},
		"no status at all":                   {record: `{}`, number: 1},
		"running somewhere without attempts": {record: `{"status":"running"}`, number: 1},
		"stopped after its end":              {record: `{"status":"stopped","cloud":{"outcome":"completed"}}`, want: as[*EndedError]},
		"finished":                           {record: `{"status":"finished"}`, want: as[*EndedError]},
		"stopped before the start":           {record: `{"status":"stopped"}`, want: func(err error) bool { return errors.Is(err, ErrStopped) }},
		"attempt with a fresh lease":         {record: running("running", ""), beat: 59 * time.Second, want: as[*HeldError]},
		"attempt whose lease ran out":        {record: running("running", ""), beat: time.Minute, number: 2, before: Abandoned},
		"attempt without a lease":            {record: running("running", ""), number: 2, before: Abandoned},
		"lease of someone else":              {record: running("running", ""), beat: time.Second, leaser: "x", number: 2, before: Abandoned},
		"attempt that has just started": {
			record: justStarted(), want: as[*HeldError]},
		"attempt that was released":                {record: running("running", `,"ended":"2026-03-01T11:59:59Z","outcome":"drained"`), beat: time.Second, number: 2, before: Drained},
		"live attempt that is to stop":             {record: running("stopped", ""), beat: time.Second, want: as[*HeldError]},
		"dead attempt that was to stop":            {record: running("stopped", ""), want: func(err error) bool { return errors.Is(err, ErrStopped) }},
		"put back to waiting under a live attempt": {record: running("waiting", ""), beat: time.Second, number: 1, before: Superseded},
		"three failures":                           {record: three, want: as[*ExhaustedError]},
		"three failures before a new start":        {record: strings.Replace(three, `"running"`, `"waiting"`, 1), number: 1, before: Superseded},
		"no JSON object":                           {record: `[]`, want: func(err error) bool { return errors.Is(err, ErrMalformed) }},
		"a cloud that is not ours":                 {record: `{"cloud":"gcp"}`, want: func(err error) bool { return errors.Is(err, ErrMalformed) }},
		"no cloud":                                 {record: `{"status":"waiting","cloud":null}`, number: 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := setup(t)
			if tc.record != "" {
				c.write(tc.record)
			}
			if tc.beat > 0 {
				holder := old
				if tc.leaser != "" {
					holder = tc.leaser
				}
				data, _ := encode(lease{Attempt: holder, At: began.Add(-tc.beat)})
				if _, err := c.put(t.Context(), "meta", c.ref.Lease(), 0, data); err != nil {
					t.Fatal(err)
				}
			}
			claim, err := c.Claim(t.Context(), c.ref, c.claimant())
			if tc.want != nil {
				if !tc.want(err) {
					t.Errorf("Claim = %v", err)
				}
				if tc.record != "" {
					if got, _, _ := c.get(t.Context(), "meta", c.ref.Object()); string(got) != tc.record {
						t.Errorf("a claim that was not won changed the record to %s", got)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			r := c.read()
			if claim.Number != tc.number || claim.Attempt != r.Cloud().Attempt || r.Status() != Running || !r.Time("time_started").Equal(began) {
				t.Errorf("claim %+v, record %s", claim, r.fields)
			}
			attempts := r.Cloud().Attempts
			if tc.before != "" && attempts[len(attempts)-2].Outcome != tc.before {
				t.Errorf("attempts: %+v; want %s before", attempts, tc.before)
			}
			if l := c.lease(); l.Attempt != claim.Attempt || l.Executor != "pod-1" || !l.At.Equal(began) {
				t.Errorf("lease: %+v", l)
			}
		})
	}
}

func TestClaimableTellsAnEndFromAnAttemptThatGoesOn(t *testing.T) {
	t.Parallel()
	ended := func(err error) bool { return errors.As(err, new(*EndedError)) }
	free := func(err error) bool { return err == nil }
	ahead := strings.ReplaceAll(running("running", ""), "2026", "2926") // by the clock of a machine that is ahead of this one
	for name, tc := range map[string]struct {
		record string
		want   func(error) bool
	}{
		"waiting":           {`{"status":"waiting"}`, free},
		"running":           {running("running", ""), free},
		"running elsewhere": {ahead, free},
		"finished":          {`{"status":"finished","cloud":{"outcome":"completed"}}`, ended},
		"stopped":           {`{"status":"stopped"}`, func(err error) bool { return errors.Is(err, ErrStopped) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := parse(Ref{Bucket: "meta", Key: "k"}, 1, []byte(tc.record))
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Claimable(); !tc.want(err) {
				t.Errorf("Claimable = %v", err)
			}
		})
	}
}

func justStarted() string {
	return strings.Replace(running("running", ""), began.Add(-2*time.Minute).Format(time.RFC3339), began.Add(-30*time.Second).Format(time.RFC3339), 1)
}

func TestHeldErrorSaysByWhomAndUntilWhen(t *testing.T) {
	t.Parallel()
	c := setup(t)
	claim := c.mustClaim()
	c.pass(20 * time.Second)
	if _, err := c.Heartbeat(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	_, err := c.Claim(t.Context(), c.ref, Claimant{LeaseTTL: 30 * time.Second})
	var held *HeldError
	if !errors.As(err, &held) || held.Attempt != claim.Attempt || held.Executor != "pod-1" || !held.Until.Equal(began.Add(50*time.Second)) {
		t.Errorf("Claim = %v", err)
	}
}

func TestClaimKeepsWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	c := setup(t)
	c.write(`{"status":"waiting","time_added":1530054413.13,"time_finished":1.5,"big":123456789012345678901234567890,
		"html":"<&>","nested":{"f":1.10},"cloud":{"future":1e400,"attempts":[{"id":"a","Outcome":3,"more":[1.0]}],"outcome":"completed"}}`)
	c.mustClaim()
	got := c.read()
	for name, want := range map[string]string{
		"big": "123456789012345678901234567890", "html": `"<&>"`, "nested": `{"f":1.10}`, "time_added": "1530054413.13", "time_finished": "null",
	} {
		if string(got.Field(name)) != want {
			t.Errorf("%s = %s; want %s", name, got.Field(name), want)
		}
	}
	if cloud := string(got.Field("cloud")); !strings.Contains(cloud, `"future":1e400`) ||
		!strings.Contains(cloud, `{"Outcome":3,"id":"a","more":[1.0]}`) || strings.Contains(cloud, "completed") {
		t.Errorf("cloud = %s", cloud)
	}
	if at := got.Time("time_added"); !at.Equal(time.UnixMilli(1530054413130)) {
		t.Errorf("time_added = %v", at)
	}
}

func TestClaimMakesTheRecordFromTheRequestWithoutItsCredentials(t *testing.T) {
	t.Parallel()
	c := setup(t)
	claimant := c.claimant()
	claimant.Initial = json.RawMessage(`{"filename":"t.py","status":"waiting","cloud":{"outcome":"completed"},
		"artifacts":{"output":{"bucket":"b","credentials":{"plain":{"user":"u","password":"p"}}}}}`)
	if _, err := c.Claim(t.Context(), c.ref, claimant); err != nil {
		t.Fatal(err)
	}
	r := c.read()
	if string(r.Field("artifacts")) != `{"output":{"bucket":"b"}}` || string(r.Field("filename")) != `"t.py"` ||
		string(r.Field("key")) != `"1530054413_key"` || r.Cloud().Outcome != "" {
		t.Errorf("record: %s", r.fields)
	}
}

func TestOfManyClaimantsOneWinsEachTime(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for epoch := range 4 {
		var wins atomic.Int32
		var all sync.WaitGroup
		for range 24 {
			all.Go(func() {
				switch _, err := c.Claim(t.Context(), c.ref, Claimant{Executor: "pod"}); {
				case err == nil:
					wins.Add(1)
				case !as[*HeldError](err):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if wins.Load() != 1 {
			t.Errorf("epoch %d: %d claims were won", epoch, wins.Load())
		}
		c.pass(DefaultLeaseTTL)
	}
	if n := len(c.read().Cloud().Attempts); n != 4 {
		t.Errorf("%d attempts in 4 epochs", n)
	}
}

func TestClaimThatGotNoAnswerIsStillWon(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]func(*cloud){
		"and the retry finds it":                nil,
		"and the client asked anew before that": (*cloud).startOver,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := setup(t)
			c.write(`{"status":"waiting"}`)
			lost := false
			c.wire.on(nil, func(r *http.Request, resp *http.Response) *http.Response {
				if lost || !isWrite(r) {
					return resp
				}
				lost = true
				if then != nil {
					then(c)
				}
				resp.StatusCode = http.StatusServiceUnavailable
				return resp
			})
			claim := c.mustClaim()
			if _, err := c.Heartbeat(t.Context(), claim); err != nil {
				t.Error(err)
			}
			if claim.Number != 1 || !claim.StartedAt.Equal(began) {
				t.Errorf("claim: %+v", claim)
			}
		})
	}
}

func (c *cloud) startOver() { c.edit("status", `"waiting"`) }

func TestClaimIsDecidedAnewWhenTheClientWritesMeanwhile(t *testing.T) {
	t.Parallel()
	c := setup(t)
	c.write(`{"status":"waiting"}`)
	c.beforeWrites(3, func() { c.edit("note", `"again"`) })
	c.mustClaim()
	if r := c.read(); string(r.Field("note")) != `"again"` || r.Status() != Running {
		t.Errorf("record: %s", r.fields)
	}
	c.write(`{"status":"waiting"}`)
	c.beforeWrites(1, func() { c.edit("status", `"stopped"`) })
	if _, err := c.Claim(t.Context(), c.ref, c.claimant()); !errors.Is(err, ErrStopped) {
		t.Errorf("Claim of what was stopped meanwhile: %v", err)
	}
}

func TestStorageErrorsAreReturnedAsTheyAre(t *testing.T) {
	t.Parallel()
	c := setup(t)
	c.ref.Bucket = "absent"
	_, err := c.Claim(t.Context(), c.ref, c.claimant())
	var api *googleapi.Error
	if !errors.As(err, &api) || api.Code != http.StatusNotFound {
		t.Errorf("Claim in a bucket that is not there: %v", err)
	}
	if _, err := c.Read(t.Context(), c.ref); !errors.Is(err, ErrNotExist) {
		t.Errorf("Read: %v", err)
	}
}
