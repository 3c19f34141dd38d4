package report

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// BenchmarkSeal tells the processor time that a report costs its sender, which other programs on the machine hardly change.
func BenchmarkSeal(b *testing.B) {
	for _, bits := range []int{2048, 4096} {
		key, err := envelope.GeneratePrivateKey(bits)
		if err != nil {
			b.Fatal(err)
		}
		for _, size := range []int{80, 8 << 10} {
			r := logging(strings.Repeat("x", size))
			b.Run(fmt.Sprintf("RSA-%d/%d bytes", bits, size), func(b *testing.B) {
				before := cpuTime(b)
				for b.Loop() {
					if _, err := Seal(r, key.Public()); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/report")
			})
		}
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
