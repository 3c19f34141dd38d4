package tenant

import (
	"fmt"
	"sync"
	"testing"

	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

var readers = sync.OnceValues(func() ([3]*envelope.PrivateKey, error) {
	var keys [3]*envelope.PrivateKey
	for i := range keys {
		key, err := envelope.GeneratePrivateKey(2048)
		if err != nil {
			return keys, err
		}
		keys[i] = key
	}
	return keys, nil
})

// readerOf is one of three report keys, made once.
func readerOf(t *testing.T, i int) *envelope.PrivateKey {
	t.Helper()
	keys, err := readers()
	if err != nil {
		t.Fatal(err)
	}
	return keys[i]
}

func reportKey(key *envelope.PrivateKey) string {
	return fmt.Sprintf(`,"report_key":%q`, key.Public().MarshalPEM())
}

// readBy names the reader of a response queue: the number of its key, or -1 for none.
func readBy(t *testing.T, s *Set, responseQueue string) int {
	t.Helper()
	key, ok := s.ReportKey(responseQueue)
	if !ok {
		return -1
	}
	payload, err := envelope.Seal([]byte("x"), key)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := envelope.Open(payload, readerOf(t, i)); err == nil {
			return i
		}
	}
	t.Fatalf("%s: sealed for somebody else", responseQueue)
	return -1
}

func TestReportsAreSealedForTheQueuesTenant(t *testing.T) {
	t.Parallel()
	s := sound(t, entryOf("rmq_", "any", reportKey(readerOf(t, 0))), entryOf("rmq_lab_", "lab", reportKey(readerOf(t, 1))),
		entryOf("rmq_mute", "mute", ""))
	for queue, want := range map[string]int{
		"rmq_x_response": 0, "rmq_lab_x_response": 1, "rmq_mute_x_response": -1, "sqs_x_response": -1, "": -1,
		"rmq_lab_response": 0, // answers rmq_lab, which is no queue of rmq_lab_
	} {
		if got := readBy(t, s, queue); got != want {
			t.Errorf("%q is read by %d; want %d", queue, got, want)
		}
	}
}

func TestAReportKeyThatIsNoneIsAFaultOfItsEntry(t *testing.T) {
	t.Parallel()
	for _, key := range []string{`""`, `"ssh-ed25519 AAAA"`, `7`} {
		s, err := Parse(file(entryOf("rmq_", "any", reportKey(readerOf(t, 0))), entryOf("rmq_lab", "lab", `,"report_key":`+key)))
		if err == nil || s == nil {
			t.Fatalf("%s: Parse = %v, %v", key, s, err)
		}
		if got := readBy(t, s, "rmq_lab_response"); got != -1 {
			t.Errorf("%s: the shorter prefix's key %d took over", key, got)
		}
		if got := readBy(t, s, "rmq_x_response"); got != 0 {
			t.Errorf("%s: the sound entry has no reader", key)
		}
	}
}
