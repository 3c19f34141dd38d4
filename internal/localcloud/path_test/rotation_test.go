//go:build integration

package path_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// rotated is a cloud whose request key is made and replaced by `studioctl keys`. Its executors are told the folder of the keys and
// the file of their passphrase, and nothing later.
type rotated struct {
	*studio
	name, phrase string
	sign         envelope.SigningKey
	letters      <-chan message.DeadLetter
	probes       int
}

func newRotated(t *testing.T) *rotated {
	t.Helper()
	s := &rotated{name: filepath.Join(t.TempDir(), "request"), phrase: filepath.Join(t.TempDir(), "phrase")}
	if err := os.WriteFile(s.phrase, []byte("PassPhrase"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.keys(t, "request", s.name, "--bits", "2048")
	s.studio = setup(t, map[string]string{"REQUEST_KEYS": filepath.Dir(s.name), "REQUEST_PASSPHRASE_FILE": s.phrase})
	s.sign = s.seal(t, client.Submission{}).Seal.Sign
	s.letters = s.deadLetters(t)
	return s
}

func (s *rotated) keys(t *testing.T, args ...string) {
	t.Helper()
	bin, _ := programs(t)
	args = append([]string{"keys", "--passphrase-file", s.phrase}, args...)
	out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "studioctl"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("studioctl %v (`make build` builds it): %v\n%s", args, err, out)
	}
}

// public is a request key as experimenters get it.
func (s *rotated) public(t *testing.T, suffix string) *envelope.PublicKey {
	t.Helper()
	text, err := os.ReadFile(s.name + suffix + ".pub.pem")
	key, parseErr := envelope.ParsePublicKey(text)
	if err := errors.Join(err, parseErr); err != nil {
		t.Fatal(err)
	}
	return key
}

// send publishes an experiment that is sealed for a key.
func (s *rotated) send(t *testing.T, note string, to *envelope.PublicKey) (key string) {
	t.Helper()
	sub := submission(t, note, once)
	sub.Queue, sub.Seal = s.cloud.SealedQueue, &client.Seal{To: to, Sign: s.sign}
	return s.submit(t, sub).Key
}

// answers sends what is no request until the executors say of it what is expected: malformed where they open it, undecryptable where
// they do not. They look at their keys every few seconds.
func (s *rotated) answers(t *testing.T, to *envelope.PublicKey, reason string) {
	t.Helper()
	timeout, ticker := time.After(patience), time.NewTicker(200*time.Millisecond)
	defer ticker.Stop()
	for answer := ""; answer != reason; {
		select {
		case <-timeout:
			t.Fatalf("after %s a probe is still refused as %s, not %s", patience, answer, reason)
		case <-ticker.C:
		}
		s.probes++
		body, err := envelope.New(envelope.Header{Status: "waiting"}, fmt.Appendf(nil, "probe %d", s.probes), to, s.sign)
		if err != nil {
			t.Fatal(err)
		}
		s.publish(t, s.cloud.SealedQueue, body)
		for answer = ""; answer == ""; {
			select {
			case l := <-s.letters:
				if l.MessageID == message.ID(body) {
					answer = l.Reason
				}
			case <-timeout:
				t.Fatalf("a probe is not answered within %s", patience)
			}
		}
	}
}

func TestARequestKeyIsReplacedWhileRequestsForBothAreOnTheirWay(t *testing.T) {
	t.Parallel()
	s := newRotated(t)
	old := s.public(t, "")
	s.expectOneRunEach(t, []string{s.send(t, "before", old)})

	s.keys(t, "rotate", "request", s.name)
	next := s.public(t, ".next")
	s.answers(t, next, "malformed")
	kill(t, s.cloud.Program("executor-local-cpu")) // so that all of these wait
	var keys []string
	for i := range 3 {
		keys = append(keys, s.send(t, fmt.Sprint("old ", i), old), s.send(t, fmt.Sprint("next ", i), next))
	}
	s.expectOneRunEach(t, keys)

	s.keys(t, "rotate", "request", s.name, "--finish", "--now")
	if s.public(t, "").Fingerprint() != next.Fingerprint() {
		t.Error("the public key is not the next one")
	}
	s.answers(t, old, "undecryptable")
	s.expectOneRunEach(t, []string{s.send(t, "after", next)})
	select {
	case l := <-s.letters:
		t.Errorf("another dead letter: %s, %s", l.Reason, l.Detail)
	default:
	}
}
