package envelope

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkRSA says how many session keys Go opens in a second of one processor, for each size of request key, and how many
// private operations `openssl speed` makes on the same machine. Both count the process's own processor time, in turn, a
// second at a time; the best second of each counts, since other work on the machine only takes away.
func BenchmarkRSA(b *testing.B) {
	for _, bits := range []int{2048, 3072, benchBits} {
		b.Run(strconv.Itoa(bits), func(b *testing.B) {
			var ours, theirs float64
			for b.Loop() {
				for range 3 {
					ours, theirs = max(ours, ourRate(b, bits)), max(theirs, opensslRate(b, bits))
				}
			}
			if theirs == 0 {
				b.Fatalf("openssl speed printed no result for rsa%d", bits)
			}
			b.Logf("RSA-%d: Go %.0f private operations a second, openssl %.0f: %.2f of it", bits, ours, theirs, ours/theirs)
		})
	}
}

func ourRate(tb testing.TB, bits int) float64 {
	tb.Helper()
	key := must(GeneratePrivateKey(bits))(tb)
	block := must(rsa.EncryptOAEP(sha256.New(), rand.Reader, key.Public().key, make([]byte, sessionKeySize), nil))(tb)
	n, start, end := 0, processorTime(tb), time.Now().Add(time.Second)
	for ; time.Now().Before(end); n++ {
		must(rsa.DecryptOAEP(sha256.New(), nil, key.key, block, nil))(tb)
	}
	return float64(n) / (processorTime(tb) - start).Seconds()
}

// processorTime is what the whole process has used, to the microsecond, garbage collection included.
func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// opensslRate reads the machine's form of openssl speed: +F2:<index>:<bits>:<private operations a second>:…
func opensslRate(tb testing.TB, bits int) float64 {
	tb.Helper()
	out, err := exec.CommandContext(tb.Context(), "openssl", "speed", "-mr", "-seconds", "1", fmt.Sprintf("rsa%d", bits)).Output()
	if err != nil {
		tb.Fatalf("openssl speed: %v", err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) > 3 && fields[0] == "+F2" && fields[2] == strconv.Itoa(bits) {
			return must(strconv.ParseFloat(fields[3], 64))(tb)
		}
	}
	return 0 // a machine with much other work may leave it no time
}
