package pod

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// answers are what an API server says to one request after the other, the last again and again; 0 means that it is not reached. It
// notes when it was asked.
type answers struct {
	t     *testing.T
	codes []int
	began time.Time
	asked []time.Duration
}

func (s *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodDelete || r.URL.Path != "/api/v1/namespaces/studio/pods/executor-1" {
		s.t.Errorf("%s %s", r.Method, r.URL)
	}
	code := s.codes[min(len(s.asked), len(s.codes)-1)]
	s.asked = append(s.asked, time.Since(s.began))
	if code == 0 {
		return nil, errors.New("no route to host")
	}
	return &http.Response{StatusCode: code, Status: http.StatusText(code), Body: io.NopCloser(strings.NewReader("what the server says")), Request: r}, nil
}

// deleter is the pod studio/executor-1 at that server, whose tries can be waited for in a bubble.
func deleter(t *testing.T, s *answers) *API {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "token"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.t, s.began = t, time.Now()
	return &API{url: "https://server/api/v1/namespaces/studio/pods/executor-1", folder: folder, client: &http.Client{Transport: s}}
}

func TestADeletionIsTriedUntilItIsTakenOrRefusedForGood(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		codes []int
		asked int
		took  time.Duration
		ok    bool
	}{
		"taken":                            {[]int{200}, 1, 0, true},
		"accepted":                         {[]int{202}, 1, 0, true},
		"the server is down at first":      {[]int{0, 503, 500, 200}, 4, 7 * time.Second, true},
		"it is asked too much":             {[]int{429, 200}, 2, time.Second, true},
		"the token is renewed":             {[]int{401, 200}, 2, time.Second, true},
		"it is down for long":              {[]int{500, 500, 500, 500, 500, 500, 500, 200}, 8, (1 + 2 + 4 + 8 + 16 + 30 + 30) * time.Second, true},
		"it is not let":                    {[]int{403}, 1, 0, false},
		"a policy forbids it":              {[]int{422}, 1, 0, false},
		"there is no such pod":             {[]int{404}, 1, 0, false},
		"it is not let, as is known later": {[]int{503, 403}, 2, time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &answers{codes: tc.codes}
				err := deleter(t, s).Delete(t.Context(), slog.New(slog.DiscardHandler))
				if (err == nil) != tc.ok || len(s.asked) != tc.asked || time.Since(s.began) != tc.took {
					t.Errorf("Delete = %v after %v; want %d tries within %s", err, s.asked, tc.asked, tc.took)
				}
				if err != nil && !strings.Contains(err.Error(), "what the server says") {
					t.Errorf("Delete = %v, without what the server says", err)
				}
			})
		})
	}
}

// An executor that must leave does not wait for a server that does not answer, and says once what is wrong.
func TestADeletionIsTriedNoLongerThanTheExecutorHasTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs bytes.Buffer
		s := &answers{codes: []int{0}}
		api := deleter(t, s)
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		err := api.Delete(ctx, slog.New(slog.NewTextHandler(&logs, nil)))
		if err == nil || !strings.Contains(err.Error(), "no route to host") || time.Since(s.began) != time.Hour {
			t.Errorf("Delete = %v after %s", err, time.Since(s.began))
		}
		if n := strings.Count(logs.String(), "no route to host"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, logs.String())
		}
	})
}
