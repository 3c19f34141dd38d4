package reporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/internal/reporting"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
	"github.com/leaf-ai/studio-cloud-runner/pkg/report"
)

var errDown = errors.New("Pub/Sub is down")

var readersKey = sync.OnceValue(func() *envelope.PrivateKey {
	key, err := envelope.GeneratePrivateKey(1024)
	if err != nil {
		panic(err)
	}
	return key
})

// topic is a Pub/Sub that takes batches unless it is down or held.
type topic struct {
	t    *testing.T
	mu   sync.Mutex
	down bool
	held chan struct{} // publishes wait until it is closed
	got  []message.Reports
	read []said // of got, so far
}

func (p *topic) Reports(ctx context.Context, r message.Reports) error {
	p.mu.Lock()
	held := p.held
	p.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return errDown
	}
	p.got = append(p.got, r)
	return nil
}

func (p *topic) set(down bool, held chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down, p.held = down, held
}

// said is a report as its reader sees it.
type said struct {
	id, kind string
	*report.Report
}

func (p *topic) reports() []said {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, batch := range p.got {
		for _, one := range batch.Reports {
			if n++; n <= len(p.read) {
				continue
			}
			opened, err := report.Open([]byte(one.Body), readersKey())
			if err != nil {
				p.t.Fatal(err)
			}
			p.read = append(p.read, said{one.ID, one.Kind, opened})
		}
	}
	return p.read
}

// words is what each report says, in one word or so.
func (p *topic) words() (all []string) {
	p.t.Helper()
	for _, r := range p.reports() {
		switch progress := r.GetProgress(); {
		case r.GetLogging() != nil:
			all = append(all, r.GetLogging().GetMessage().GetValue())
		case progress.GetJson() != nil:
			all = append(all, progress.GetJson().GetValue())
		default:
			all = append(all, progress.GetState().String())
		}
	}
	return all
}

func tenants(t *testing.T, key string) func() *tenant.Set {
	t.Helper()
	set, err := tenant.Parse(fmt.Appendf(nil, `{"tenants":[{"prefix":"rmq_","store":"a-store","metadata":"a-metadata"%s}]}`, key))
	if err != nil {
		t.Fatal(err)
	}
	return func() *tenant.Set { return set }
}

func withKey(t *testing.T) func() *tenant.Set {
	t.Helper()
	return tenants(t, fmt.Sprintf(`,"report_key":%q`, readersKey().Public().MarshalPEM()))
}

func setup(t *testing.T) (*Reporter, *topic) {
	t.Helper()
	p := &topic{t: t}
	return start(t, p, withKey(t)), p
}

func start(t *testing.T, p *topic, tenants func() *tenant.Set) *Reporter {
	t.Helper()
	return Start(t.Context(), Config{
		Sender:  &reporting.Sender{Tenants: tenants, Publisher: p},
		Subject: reporting.Subject{Queue: "rmq_q", Experiment: "k", Attempt: "a", Executor: "e"},
		Rate:    100, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
}

func end(t *testing.T, r *Reporter, e reporting.End) {
	t.Helper()
	if err := r.End(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

func TestAnAttemptIsReportedInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, p := setup(t)
		r.State(report.TaskState_Prestart)
		fmt.Fprint(r, "environment\n")
		r.State(report.TaskState_Started)
		fmt.Fprint(r, "one\n{\"loss\": 0.5}\ntw")
		time.Sleep(time.Minute)
		fmt.Fprint(r, "o\nthree")
		r.Stopping("It was asked to.")
		r.Stopping("It was asked to, again.")
		r.EndOutput()
		end(t, r, reporting.End{At: time.Now(), Reason: "It was stopped.", Code: 3})

		want := []string{"Prestart", "environment", "Started", "one", `{"loss": 0.5}`, "two", "Stopping", "three", "Failed"}
		if got := p.words(); !slices.Equal(got, want) {
			t.Errorf("reports are %q; want %q", got, want)
		}
		reports := p.reports()
		for i, one := range reports {
			if id := "a/" + strconv.Itoa(i+1); one.id != id && i < len(reports)-1 {
				t.Errorf("report %d has the id %s; want %s", i, one.id, id)
			}
			if one.GetExperimentId().GetValue() != "k" || one.GetUniqueId().GetValue() != "a" || one.GetExecutorId().GetValue() != "e" || one.GetTime() == nil {
				t.Errorf("report %d is %v", i, one.Report)
			}
		}
		if one := reports[4].GetProgress(); one.GetState() != report.TaskState_Started {
			t.Errorf("a line of JSON comes with state %s", one.GetState())
		}
		if one := reports[6].GetProgress().GetError(); one.GetMsg().GetValue() != "It was asked to." {
			t.Errorf("stopping because %v", one)
		}
		last := reports[len(reports)-1]
		if one := last.GetProgress().GetError(); last.id != "a/end" || one.GetMsg().GetValue() != "It was stopped." || one.GetCode() != 3 {
			t.Errorf("the end %s is %v", last.id, one)
		}
	})
}

func TestAStateIsSentAtOnceAndLinesSoonAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, p := setup(t)
		r.State(report.TaskState_Prestart)
		synctest.Wait()
		if got := p.words(); !slices.Equal(got, []string{"Prestart"}) {
			t.Errorf("reports are %q; want the state at once", got)
		}
		fmt.Fprint(r, "line\n")
		synctest.Wait()
		if got := p.words(); len(got) != 1 {
			t.Errorf("reports are %q; want the line to wait for others", got)
		}
		time.Sleep(time.Second)
		if got := p.words(); !slices.Equal(got, []string{"Prestart", "line"}) {
			t.Errorf("reports are %q; want the line within a second", got)
		}
		end(t, r, reporting.End{Success: true})
	})
}

func TestNobodyIsReportedToWithoutAKey(t *testing.T) {
	t.Parallel()
	p := &topic{t: t}
	r := start(t, p, tenants(t, ""))
	if r != nil {
		t.Fatal("there is a reporter")
	}
	r.State(report.TaskState_Started)
	fmt.Fprint(r, "line\n")
	r.Stopping("x")
	r.EndOutput()
	r.Discard()
	if err := errors.Join(r.End(t.Context(), reporting.End{}), r.Close(t.Context())); err != nil || len(p.got) != 0 {
		t.Errorf("End = %v, published %v", err, p.got)
	}
}

// A program that prints far more than is carried loses lines in reports only, and is told how many.
func TestAChattyProgramIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, p := setup(t)
		r.State(report.TaskState_Started)
		const total, seconds = 100_000, 10
		for second := range seconds {
			for i := range total / seconds {
				n := second*total/seconds + i
				if n%10_000 == 9_999 {
					fmt.Fprintf(r, "{\"epoch\": %d}\n", n)
				} else {
					fmt.Fprintln(r, n)
				}
			}
			time.Sleep(time.Second)
		}
		end(t, r, reporting.End{Success: true})

		seen, left, notes, jsons, before := 0, 0, 0, 0, -1
		for _, one := range p.reports() {
			if one.GetProgress().GetJson() != nil {
				jsons++
			}
			if one.kind != message.LogReport {
				continue
			}
			entry := one.GetLogging()
			if n, err := strconv.Atoi(entry.GetFields()["left_out_lines"]); err == nil {
				left += n
				notes++
				if entry.GetSeverity() != report.LogSeverity_Warning || !strings.HasPrefix(entry.GetMessage().GetValue(), strconv.Itoa(n)+" lines of output are not reported here") {
					t.Errorf("note: %v", entry)
				}
				continue
			}
			n, err := strconv.Atoi(entry.GetMessage().GetValue())
			if err != nil || n <= before {
				t.Fatalf("%q after %d", entry.GetMessage().GetValue(), before)
			}
			before = n
			seen++
		}
		const most = 100*burstSeconds + 100*(seconds+1) + maxLines
		if seen > most || seen < 100*seconds {
			t.Errorf("%d lines were reported; want at most %d", seen, most)
		}
		if jsons != 10 || seen+left+jsons != total || notes == 0 {
			t.Errorf("%d lines and %d lines of JSON reported and %d left out in %d notes; want %d in all, and all of the JSON", seen, jsons, left, notes, total)
		}
		if words := p.words(); words[len(words)-1] != "Success" || words[len(words)-2] != `{"epoch": 99999}` || words[len(words)-3] != "99998" {
			t.Errorf("the last reports are %q; want the last lines and the end", words[len(words)-3:])
		}
		for _, batch := range p.got {
			if data, err := batch.Data(); err != nil || len(data) > message.MaxBatch {
				t.Errorf("a batch has %d bytes, %v", len(data), err)
			}
		}
	})
}

func TestAProgramThatPrintsAtTheRateLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, p := setup(t)
		for i := range 3000 {
			fmt.Fprintln(r, i)
			time.Sleep(time.Second / 95)
		}
		end(t, r, reporting.End{Success: true})
		if got := len(p.reports()); got != 3001 {
			t.Errorf("%d reports of 3000 lines and the end", got)
		}
	})
}

func TestTheProgramNeverWaitsAndStatesAreNeverLeftOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, p := setup(t)
		held := make(chan struct{})
		p.set(true, held)
		began := time.Now()
		r.State(report.TaskState_Prestart)
		for i := range 5000 {
			fmt.Fprintln(r, i)
		}
		r.State(report.TaskState_Started)
		fmt.Fprintln(r, strings.Repeat("x", 3*maxLine))
		for range 20 {
			fmt.Fprintf(r, "{\"a\": %q}\n", strings.Repeat("x", maxLine/2))
		}
		r.Stopping("now")
		if took := time.Since(began); took > 0 {
			t.Errorf("the program waited for %s", took)
		}
		if r.lines.bytes > maxLineBytes || r.json.bytes > maxJSONBytes {
			t.Errorf("%d and %d bytes wait", r.lines.bytes, r.json.bytes)
		}
		close(held)
		time.Sleep(time.Minute)
		p.set(false, nil)
		end(t, r, reporting.End{Success: true})
		var states []string
		for _, one := range p.reports() {
			if one.kind == message.StateReport {
				states = append(states, one.GetProgress().GetState().String())
			}
		}
		if want := []string{"Prestart", "Started", "Stopping", "Success"}; !slices.Equal(states, want) {
			t.Errorf("states are %q; want %q", states, want)
		}
	})
}

func TestAnEndThatPubSubDoesNotTakeIsAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, down := range map[string]func(p *topic){
			"refuses": func(p *topic) { p.set(true, nil) }, "does not answer": func(p *topic) { p.set(false, make(chan struct{})) },
		} {
			r, p := setup(t)
			down(p)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if err := r.End(ctx, reporting.End{Success: true}); !errors.Is(err, context.DeadlineExceeded) || len(p.got) != 0 {
				t.Errorf("Pub/Sub %s: End = %v, published %d", name, err, len(p.got))
			}
		}
	})
}

func TestNothingIsSaidAfterTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, p := setup(t)
		r.State(report.TaskState_Started)
		synctest.Wait()
		fmt.Fprint(r, "never\n")
		r.Discard()
		r.State(report.TaskState_Stopping)
		r.Stopping("never")
		if err := r.End(t.Context(), reporting.End{}); err == nil {
			t.Error("an end is reported after the reporting was given up")
		}
		if got := p.words(); !slices.Equal(got, []string{"Started"}) {
			t.Errorf("reports are %q", got)
		}
	})
}

// An attempt may be told to end at the very moment at which its end is said.
func TestNothingFollowsAnEndThatStillWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, p := setup(t)
		held := make(chan struct{})
		p.set(false, held) // the end is said, and waits for Pub/Sub
		if !r.say(entry{progress: reporting.End{Success: true}.Progress(), last: true}) {
			t.Fatal("the end is not taken")
		}
		r.Stopping("The experiment is stopped, as was asked.")
		fmt.Fprintln(r, "a line")
		close(held)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := r.finish(ctx); err != nil {
			t.Fatal(err)
		}
		if got, want := p.words(), []string{"Success"}; !slices.Equal(got, want) {
			t.Errorf("reported %q; want %q", got, want)
		}
	})
}
