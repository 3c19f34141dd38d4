//go:build integration

package path_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	"github.com/leaf-ai/studio-cloud-runner/internal/event"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
	"github.com/leaf-ai/studio-cloud-runner/pkg/report"
)

// reader is an experimenter who has made a response queue and holds the key.
type reader struct {
	studio *studio
	queue  string
	key    *envelope.PrivateKey
	seen   map[string]bool // message ids
	all    []*report.Report
	ids    []string
}

// listen makes the response queue of a queue as clients do: durable, so that it outlives the broker.
func (s *studio) listen(t *testing.T, queue string) *reader {
	t.Helper()
	pem, err := os.ReadFile(s.cloud.ReportKey)
	if err != nil {
		t.Fatal(err)
	}
	key, err := envelope.ParsePrivateKey(pem, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{studio: s, queue: report.ResponseQueue(queue), key: key, seen: map[string]bool{}}
	s.channel(t, func(ch *amqp.Channel) {
		const exchange = "StudioML.topic"
		_, declared := ch.QueueDeclare(r.queue, true, false, false, false, nil)
		if err := errors.Join(declared, ch.ExchangeDeclare(exchange, amqp.ExchangeTopic, true, true, false, false, nil),
			ch.QueueBind(r.queue, "StudioML."+r.queue, exchange, false, nil)); err != nil {
			t.Fatal(err)
		}
	})
	return r
}

// read takes what has come; what comes twice counts once. A broker that is away has nothing.
func (r *reader) read(t *testing.T) {
	t.Helper()
	conn, err := amqp.Dial(r.studio.cloud.AMQPURL)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		return
	}
	for {
		m, ok, err := ch.Get(r.queue, true)
		if err != nil || !ok {
			return
		}
		if m.ContentType != "text/plain" || m.AppId != "studioml" || m.MessageId == "" {
			t.Errorf("a report comes as %q of %q, id %q", m.ContentType, m.AppId, m.MessageId)
		}
		if r.seen[m.MessageId] {
			continue
		}
		r.seen[m.MessageId] = true
		one, err := report.Open(m.Body, r.key)
		if err != nil {
			t.Errorf("report %s: %v", m.MessageId, err)
			continue
		}
		r.all, r.ids = append(r.all, one), append(r.ids, m.MessageId)
	}
}

// last waits for the last report on an experiment.
func (r *reader) last(t *testing.T, key string) (last *report.Report) {
	t.Helper()
	eventually(t, func(context.Context) (bool, string) {
		r.read(t)
		for _, one := range r.of(key) {
			if s := one.GetProgress().GetState(); s == report.TaskState_Failed || s == report.TaskState_Success {
				last = one
			}
		}
		return last != nil, fmt.Sprintf("%s has %d reports and no end", key, len(r.of(key)))
	})
	return last
}

func (r *reader) of(key string) (of []*report.Report) {
	for _, one := range r.all {
		if one.GetExperimentId().GetValue() == key {
			of = append(of, one)
		}
	}
	return of
}

// words is what the reports on an experiment say, without what the executor itself says of its environment.
func (r *reader) words(key string) (words []string) {
	for _, one := range r.of(key) {
		progress, line := one.GetProgress(), one.GetLogging().GetMessage().GetValue()
		switch {
		case progress.GetJson() != nil:
			words = append(words, progress.GetJson().GetValue())
		case progress != nil:
			words = append(words, progress.GetState().String())
		case !strings.HasPrefix(line, "studio-cloud-runner: "):
			words = append(words, line)
		}
	}
	return words
}

// expectOrder expects that each attempt came through its states in order.
func (r *reader) expectOrder(t *testing.T, key string) {
	t.Helper()
	reached := map[string]report.TaskState{}
	for _, one := range r.of(key) {
		p, attempt := one.GetProgress(), one.GetUniqueId().GetValue()
		if p == nil {
			continue
		}
		if p.GetState() < reached[attempt] {
			t.Errorf("attempt %s of %s is %s after it was %s", attempt, key, p.GetState(), reached[attempt])
		}
		reached[attempt] = p.GetState()
	}
}

func TestReportsTellAnExperimenterEverything(t *testing.T) {
	t.Parallel()
	s := setup(t, nil)
	// The cloud ends after all of these.
	for name, seal := range map[string]bool{"clear": false, "sealed": true} {
		t.Run("a "+name+" experiment from its claim to its end", func(t *testing.T) {
			t.Parallel()
			sub := submission(t, name, `print("one"); print('{"experiment": {"loss": 0.5}}'); print("two ✓")`)
			if sub.Queue = queue + "_reported"; seal {
				sub = s.seal(t, sub)
			}
			r := s.listen(t, sub.Queue)
			key := s.submit(t, sub).Key
			r.last(t, key)
			want := []string{"Prestart", "Started", "one", `{"experiment": {"loss": 0.5}}`, "two ✓", "Success"}
			if got := r.words(key); !slices.Equal(got, want) {
				t.Errorf("reports say %q; want %q", got, want)
			}
			s.completed(t, key)
			attempt := s.attempts(t, key)[0].ID
			for _, one := range r.of(key) {
				if one.GetUniqueId().GetValue() != attempt || one.GetExecutorId().GetValue() != "local-cpu" {
					t.Errorf("a report is %v; want it of attempt %s", one, attempt)
				}
			}
		})
	}
	t.Run("a program that fails", func(t *testing.T) {
		t.Parallel()
		sub := submission(t, "", `raise SystemExit(7)`)
		sub.Queue = queue + "_fails"
		r := s.listen(t, sub.Queue)
		key := s.submit(t, sub).Key
		if failure := r.last(t, key).GetProgress().GetError(); failure.GetCode() != 7 || failure.GetMsg().GetValue() != s.ended(t, key).Reason {
			t.Errorf("the end is %v; want code 7 and the record's reason", failure)
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		sub := submission(t, "", once)
		sub.Queue = queue + "_unheard"
		s.completed(t, s.submit(t, sub).Key)
		eventually(t, func(context.Context) (bool, string) {
			return s.logged(t, "report", "reports dropped", sub.Queue+"_response"), "the reports are not dropped"
		})
		s.channel(t, func(ch *amqp.Channel) {
			if _, err := ch.QueueDeclarePassive(report.ResponseQueue(sub.Queue), false, false, false, false, nil); err == nil {
				t.Error("the response queue was made")
			}
		})
	})
	t.Run("a program that prints 200,000 lines", func(t *testing.T) {
		t.Parallel()
		testChatty(t, s)
	})
	t.Run("a message that may not run", func(t *testing.T) {
		t.Parallel()
		sub := submission(t, "", once)
		sub.Queue, sub.Resources = queue+"_refused", map[string]any{"cpus": 4000, "gpus": 0, "ram": "1gb", "hdd": "1gb"}
		r := s.listen(t, sub.Queue)
		key := s.submit(t, sub).Key
		last := r.last(t, key)
		if failure := last.GetProgress().GetError(); last.GetExecutorId().GetValue() != "bridge" || !strings.Contains(failure.GetMsg().GetValue(), "cpus") {
			t.Errorf("the end is %v; want the bridge to name cpus", last)
		}
	})
	t.Run("a forged message is never answered", func(t *testing.T) {
		t.Parallel()
		testForged(t, s)
	})
}

func testChatty(t *testing.T, s *studio) {
	t.Helper()
	const total = 200_000
	sub := submission(t, "", fmt.Sprintf(`
import sys, time
began = time.time()
for n in range(%d):
    sys.stdout.write("line %%d\n" %% n)
sys.stdout.flush()
print("took", time.time() - began)
`, total))
	sub.Queue = queue + "_chatty"
	r := s.listen(t, sub.Queue)
	key := s.submit(t, sub).Key
	r.last(t, key)
	lines, left := 0, 0
	for _, one := range r.of(key) {
		entry := one.GetLogging()
		if n, err := strconv.Atoi(entry.GetFields()["left_out_lines"]); err == nil {
			left += n
		} else if strings.HasPrefix(entry.GetMessage().GetValue(), "line ") {
			lines++
		}
	}
	own := 0 // lines of the executor's, and what the program says at its end, may be left out or not
	for _, word := range r.words(key) {
		if strings.HasPrefix(word, "took ") {
			t.Logf("printing %d lines %s s; %d were reported", total, word, lines)
			own++
		}
	}
	if own != 1 || lines > 20_000 || lines+left < total || lines+left > total+10 {
		t.Errorf("%d lines are reported and %d said to be left out, with %d at its end; want a bounded number, and %d in all", lines, left, own, total)
	}
	output := s.completed(t, key)
	if n := strings.Count(output, "line "); n != total {
		t.Errorf("the output has %d lines; want all", n)
	}
}

// testForged sends a message that another's key signed, and after it a good one: the first report is the good one's.
func testForged(t *testing.T, s *studio) {
	t.Helper()
	stranger, err := envelope.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	forged := s.seal(t, submission(t, "forged", once))
	forged.Queue += "_forged"
	forged.Seal = &client.Seal{To: forged.Seal.To, Sign: stranger}
	r := s.listen(t, forged.Queue)
	bad := s.submit(t, forged)
	eventually(t, func(context.Context) (bool, string) {
		return s.logged(t, "bridge", "request refused", forged.Queue), "the forged message is not refused"
	})
	good := s.seal(t, submission(t, "good", once))
	good.Queue = forged.Queue
	key := s.submit(t, good).Key
	r.last(t, key)
	if n := len(r.all) - len(r.of(key)); n != 0 {
		t.Errorf("%d reports on the forged message %s", n, bad.Key)
	}
}

// slow takes a while, with something to say in between.
const slow = `
import time
print("began", flush=True)
time.sleep(4)
print("reached the end")
`

func TestTheEndIsReportedWhateverDies(t *testing.T) {
	t.Parallel()
	s := setup(t, map[string]string{"LEASE": "9s", "HEARTBEAT": "1s"})
	events := s.events(t)
	var keys []string
	r := s.listen(t, queue)
	submit := func(note string) string {
		keys = append(keys, s.submit(t, submission(t, note, slow)).Key)
		return keys[len(keys)-1]
	}
	killed := func(name string) {
		t.Helper()
		p := s.cloud.Program(name)
		pid := p.PID()
		kill(t, p)
		eventually(t, func(context.Context) (bool, string) { return p.PID() != pid, name + " is not started again" })
	}

	submit("the function Report dies")
	for range 3 {
		next(t, events, event.Claimed)
		killed("report")
		submit("again")
	}
	for _, step := range []event.Type{event.Claimed, event.Started, event.Saved} {
		submit("the executor dies once it is " + string(step))
		next(t, events, step)
		killed("executor-local-cpu")
	}
	submit("the broker dies")
	next(t, events, event.Started)
	if err := s.cloud.Broker.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := s.cloud.Broker.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		last := r.last(t, key)
		if last.GetProgress().GetState() != report.TaskState_Success {
			t.Errorf("the end of %s is %v", key, last)
		}
		r.expectOrder(t, key)
	}
}

// reportsLatency is how long a line may take from its print to the response queue: half a second of gathering, twice, and the way.
const reportsLatency = 20 * time.Second

func TestALineIsReportedWhileTheProgramRuns(t *testing.T) {
	t.Parallel()
	s := setup(t, nil)
	sub := submission(t, "", `
import time
for n in range(40):
    print("at %.3f" % time.time(), flush=True)
    time.sleep(0.25)
`)
	r := s.listen(t, sub.Queue)
	key := s.submit(t, sub).Key
	var took []time.Duration
	known := 0
	eventually(t, func(context.Context) (bool, string) {
		r.read(t)
		for _, word := range r.words(key)[known:] {
			known++
			if at, ok := strings.CutPrefix(word, "at "); ok {
				seconds, err := strconv.ParseFloat(at, 64)
				if err != nil {
					t.Fatal(err)
				}
				took = append(took, time.Since(time.UnixMilli(int64(seconds*1e3))))
			}
		}
		return len(took) >= 40, fmt.Sprintf("%d of 40 lines have come", len(took))
	})
	slices.Sort(took)
	t.Logf("from print to reader: median %s, p95 %s, longest %s", took[20].Round(time.Millisecond), took[38].Round(time.Millisecond), took[39].Round(time.Millisecond))
	if took[20] > reportsLatency {
		t.Errorf("half of the lines took %s and more", took[20])
	}
}
