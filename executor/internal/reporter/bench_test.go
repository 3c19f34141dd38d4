package reporter

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/internal/reporting"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// sink is a Pub/Sub that counts.
type sink struct{ reports int }

func (s *sink) Reports(_ context.Context, r message.Reports) error {
	s.reports += len(r.Reports)
	return nil
}

// benchReporter seals for a key of the size that the guide makes.
func benchReporter(b *testing.B, rate int) (*Reporter, *sink) {
	b.Helper()
	key, err := envelope.GeneratePrivateKey(4096)
	if err != nil {
		b.Fatal(err)
	}
	set, err := tenant.Parse(fmt.Appendf(nil, `{"tenants":[{"prefix":"rmq_","store":"a-store","metadata":"a-metadata","report_key":%q}]}`, key.Public().MarshalPEM()))
	if err != nil {
		b.Fatal(err)
	}
	s := &sink{}
	return Start(b.Context(), Config{
		Sender:  &reporting.Sender{Tenants: func() *tenant.Set { return set }, Publisher: s},
		Subject: reporting.Subject{Queue: "rmq_q", Experiment: "k", Attempt: "a", Executor: "e"},
		Rate:    rate, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}), s
}

// BenchmarkFlood prints as fast as it can: what a program's output pays for its reports, beside a pipe's copy to nowhere.
func BenchmarkFlood(b *testing.B) {
	line := []byte("epoch 17 step 400 loss 0.0123 accuracy 0.98 lr 0.0003 eta 00:12:34\n")
	b.Run("bare", func(b *testing.B) {
		b.SetBytes(int64(len(line)))
		for b.Loop() {
			_, _ = io.Discard.Write(line)
		}
	})
	b.Run("reported", func(b *testing.B) {
		r, _ := benchReporter(b, 100)
		b.SetBytes(int64(len(line)))
		for b.Loop() {
			_, _ = r.Write(line)
		}
		b.StopTimer()
		r.Discard()
	})
}

// BenchmarkSteady prints 1,000 lines a second for ten seconds and tells the CPU time that their reports take, at the default rate
// and with every line reported.
func BenchmarkSteady(b *testing.B) {
	for _, rate := range []int{100, 1000} {
		b.Run(fmt.Sprint("rate=", rate), func(b *testing.B) {
			for b.Loop() {
				r, s := benchReporter(b, rate)
				began, cpu := time.Now(), cpuTime(b)
				tick := time.NewTicker(10 * time.Millisecond)
				for range 1000 {
					<-tick.C
					for range 10 {
						fmt.Fprintln(r, "epoch 17 step 400 loss 0.0123 accuracy 0.98 lr 0.0003 eta 00:12:34")
					}
				}
				tick.Stop()
				if err := r.End(b.Context(), reporting.End{Success: true}); err != nil {
					b.Fatal(err)
				}
				took := time.Since(began).Seconds()
				b.ReportMetric((cpuTime(b)-cpu).Seconds()/took*100, "%cpu")
				b.ReportMetric(float64(s.reports)/took, "reports/s")
			}
		})
	}
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
