package health

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An executor is ready only while it takes deliveries, and alive whatever it does.
func TestProbes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		become func(*State)
		ready  int
	}{
		"starts":                             {func(*State) {}, 503},
		"serves":                             {(*State).Serving, 200},
		"drains":                             {func(s *State) { s.Serving(); s.Draining() }, 503},
		"told to leave before it served":     {func(s *State) { s.Draining(); s.Serving() }, 503},
		"drains, and is told so once more":   {func(s *State) { s.Serving(); s.Draining(); s.Draining() }, 503},
		"serves, and is told so once more":   {func(s *State) { s.Serving(); s.Serving() }, 200},
		"drains, and is told that it serves": {func(s *State) { s.Serving(); s.Draining(); s.Serving() }, 503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s State
			tc.become(&s)
			at := listen(t, &s)
			for path, want := range map[string]int{"/livez": 200, "/readyz": tc.ready, "/": 404} {
				if code, text := get(t, at+path); code != want || text == "" {
					t.Errorf("%s: %d %q, want %d", path, code, text, want)
				}
			}
		})
	}
}

func TestAnAddressThatIsTakenIsAnError(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if _, err := new(State).Listen(t.Context(), l.Addr().String()); err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("Listen = %v; want an error with the address", err)
	}
}

// listen serves at a port that is free now.
func listen(t *testing.T, s *State) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	stop, err := s.Listen(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return "http://" + address
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
