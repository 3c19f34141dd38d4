package report

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"

	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/internal/reporting"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
)

// shelf is a queue that nobody reads unless told to.
type shelf struct {
	reports []message.Report
	asked   int
	err     error
}

func (s *shelf) Ready(context.Context, string) (int, error) {
	s.asked++
	return len(s.reports), nil
}

func (s *shelf) Publish(_ context.Context, _ string, reports []message.Report) error {
	if s.err == nil {
		s.reports = append(s.reports, reports...)
	}
	return s.err
}

func setup(t *testing.T, limit int) (*carrier, *shelf) {
	t.Helper()
	tenants, err := tenant.Open(tenantsFile(t))
	if err != nil {
		t.Fatal(err)
	}
	s := &shelf{}
	return &carrier{
		queues: s, sender: &reporting.Sender{Tenants: tenants.Tenants}, limit: limit, logger: slog.New(slog.DiscardHandler), now: time.Now,
		missed: &missed{}, nobody: &tally{},
	}, s
}

// words are the numbers of the reports, and notes in brackets.
func (s *shelf) words(t *testing.T) string {
	t.Helper()
	var words []string
	for _, one := range s.reports {
		if lines, jsons := leftOut(t, one.Body); lines != "" {
			words = append(words, fmt.Sprintf("[%s %s]", lines, jsons))
			continue
		}
		_, n, _ := strings.Cut(one.ID, "/")
		words = append(words, n)
	}
	return strings.Join(words, " ")
}

func TestAQueueThatNobodyReadsHoldsLittleAndSaysSo(t *testing.T) {
	t.Parallel()
	c, s := setup(t, 5)
	carry := func(b message.Reports) {
		t.Helper()
		if err := c.carry(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	carry(batch("rmq_q", "a", 1, "state", "log", "log", "log"))
	carry(batch("rmq_q", "a", 5, "log", "log", "log", "json"))
	if got, want := s.words(t), "1 2 3 4 5 [2 0] 8"; got != want {
		t.Errorf("the queue holds %s; want %s: the note is where lines are missing", got, want)
	}
	carry(batch("rmq_q", "a", 9, many("log", 10)...))
	carry(batch("rmq_q", "a", 19, slices.Concat([]string{"state"}, many("json", 10))...))
	if got, want := s.words(t), "1 2 3 4 5 [2 0] 8 19 20 21"; got != want {
		t.Errorf("the queue holds %s; want %s: JSON up to twice the limit, states always", got, want)
	}
	carry(batch("rmq_q", "a", 30, "log", "state!"))
	if got, want := s.words(t), "1 2 3 4 5 [2 0] 8 19 20 21 [11 8] end"; got != want {
		t.Errorf("the queue holds %s; want %s: all that is missing is told before the end", got, want)
	}
	if len(c.missed.accounts) != 0 {
		t.Errorf("accounts of ended attempts are kept: %v", c.missed.accounts)
	}
}

func TestWhatWasLeftOutIsToldOnceTheQueueIsRead(t *testing.T) {
	t.Parallel()
	c, s := setup(t, 3)
	for first := 1; first <= 21; first += 10 {
		if err := c.carry(t.Context(), batch("rmq_q", "a", first, many("log", 10)...)); err != nil {
			t.Fatal(err)
		}
	}
	s.reports = nil // read
	if err := c.carry(t.Context(), batch("rmq_q", "a", 31, "log")); err != nil {
		t.Fatal(err)
	}
	if got, want := s.words(t), "[20 0] 31"; got != want {
		t.Errorf("the queue holds %s; want %s", got, want)
	}
	if len(c.missed.accounts) != 0 {
		t.Errorf("an account is kept: %v", c.missed.accounts)
	}
}

func TestWhatIsLeftOutCountsOnceHoweverOftenTheBatchComes(t *testing.T) {
	t.Parallel()
	c, s := setup(t, 1)
	s.err = errors.New("RabbitMQ is down")
	b := batch("rmq_q", "a", 1, "log", "log", "state!")
	for range 3 {
		if err := c.carry(t.Context(), b); !errors.Is(err, s.err) {
			t.Fatalf("carry = %v", err)
		}
	}
	s.err = nil
	if err := c.carry(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if got, want := s.words(t), "1 [1 0] end"; got != want {
		t.Errorf("the queue holds %s; want %s", got, want)
	}
}

func TestReportsThatNobodyWantsAreNoError(t *testing.T) {
	t.Parallel()
	c, s := setup(t, 1)
	s.err = fmt.Errorf("publish: %w", errNobody)
	if err := c.carry(t.Context(), batch("rmq_q", "a", 1, "log", "state!")); err != nil {
		t.Errorf("carry = %v", err)
	}
}

func TestTheDepthIsAskedForOnlyWhereItMatters(t *testing.T) {
	t.Parallel()
	c, s := setup(t, 1)
	if err := c.carry(t.Context(), batch("rmq_q", "a", 1, "state", "state")); err != nil || s.asked != 0 {
		t.Errorf("carry = %v, asked %d times", err, s.asked)
	}
}

func TestDroppedReportsAreLoggedNowAndThen(t *testing.T) {
	t.Parallel()
	var y tally
	at := time.Now()
	for i, want := range []int{3, 0, 0, 9} {
		if got, due := y.add("q", 3, at.Add(time.Duration(i)*tallyEvery/3)); got != want || due != (want > 0) {
			t.Errorf("add %d = %d, %v; want %d", i, got, due, want)
		}
	}
}

func TestEveryFaultOfTheSettingsIsReportedAtOnceByItsName(t *testing.T) {
	t.Parallel()
	_, err := loadConfig(t.Context(), envconfig.MapLookuper(map[string]string{"REPORT_QUEUE_LIMIT": "0", "LOG_LEVEL": "loud", "AMQP_URL": "secret"}))
	if err == nil {
		t.Fatal("settings full of faults are taken")
	}
	for _, name := range []string{"AMQP_URL", "TENANTS", "REPORT_QUEUE_LIMIT", "LOG_LEVEL"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not name %s: %v", name, err)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error quotes the broker's address: %v", err)
	}
}
