package artifact

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

func TestAFileOfAWebServerIsFetchedUnderItsOwnName(t *testing.T) {
	t.Parallel()
	answers := http.NewServeMux()
	answers.HandleFunc("/data/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "sig=s3cret" || r.Header.Get("Referer") != "" {
			http.Error(w, "unsigned", http.StatusForbidden)
			return
		}
		w.Header().Set("Last-Modified", "Sun, 01 Mar 2026 12:00:00 GMT")
		fmt.Fprint(w, "a,b\n")
	})
	answers.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/data/set%201.csv?sig=s3cret", http.StatusFound)
	})
	for path, name := range map[string]string{"/data/set%201.csv?sig=s3cret": "set 1.csv", "/moved?sig=other": "moved"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			w, address := serveTLS(t, answers)
			if _, err := Fetch(t.Context(), w, webObject(t, address+path), dir, Limits{}); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil || string(data) != "a,b\n" {
				t.Errorf("%s holds %q, %v", name, data, err)
			}
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || !info.ModTime().Equal(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)) {
				t.Errorf("its time is %v, %v; want the server's", info.ModTime(), err)
			}
		})
	}
}

func TestWhatAWebServerDoesNotGiveEndsWithASentence(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	answers := http.NewServeMux()
	answers.HandleFunc("/private", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusForbidden) })
	answers.HandleFunc("/again", func(w http.ResponseWriter, _ *http.Request) {
		if tries.Add(1) < webTries {
			http.Error(w, "", http.StatusServiceUnavailable)
		}
	})
	answers.HandleFunc("/busy", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusTooManyRequests) })
	answers.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/round", http.StatusFound) })
	answers.HandleFunc("/clear", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://example.org/", http.StatusFound)
	})
	answers.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", 1001)) })
	var fault *WebError
	var refused *RefusedError
	var unpack *UnpackError
	tests := map[string]struct {
		kind any // nil: to be retried
		says string
	}{
		"/missing": {&fault, "404 Not Found: check the URL"},
		"/private": {&fault, "403 Forbidden: artifacts are fetched without a login"},
		"/busy":    {nil, "429"},
		"/round":   {&refused, "more than 5 times"},
		"/clear":   {&refused, "not https"},
		"/large":   {&unpack, "1000 bytes"},
	}
	for path, tc := range tests {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			w, address := serveTLS(t, answers)
			_, err := Fetch(t.Context(), w, webObject(t, address+path+"?sig=s3cret"), t.TempDir(), Limits{MaxBytes: 1000, MaxFiles: 1})
			if err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "s3cret") {
				t.Fatalf("Fetch says %v; want %q in it, and no query", err, tc.says)
			}
			switch permanent := errors.As(err, new(*WebError)) || errors.As(err, new(*RefusedError)) || errors.As(err, new(*UnpackError)); {
			case tc.kind == nil && permanent, tc.kind != nil && !errors.As(err, tc.kind):
				t.Errorf("Fetch = %T", err)
			}
		})
	}
	t.Run("a server that is busy for a while", func(t *testing.T) {
		t.Parallel()
		w, address := serveTLS(t, answers)
		if _, err := Fetch(t.Context(), w, webObject(t, address+"/again"), t.TempDir(), Limits{}); err != nil {
			t.Error(err)
		}
	})
}

func TestABrokenWebDownloadGoesOnAtItsOffset(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("0123456789", 500_000)
	var downloads, resumed atomic.Int32
	w, address := serveTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" && r.Header.Get("If-Range") == `"v1"` && resumed.Add(1) == 1 {
			http.Error(w, "", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("ETag", `"v1"`)
		if downloads.Add(1) < 3 {
			w = &breaking{ResponseWriter: w, left: 1_000_000}
		}
		http.ServeContent(w, r, "f", time.Time{}, strings.NewReader(body))
	}))
	dir := t.TempDir()
	if _, err := Fetch(t.Context(), w, webObject(t, address+"/f"), dir, Limits{}); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "f")); err != nil || string(data) != body || resumed.Load() != 3 {
		t.Errorf("got %d bytes, %v, taken up %d times", len(data), err, resumed.Load())
	}
}

func TestAnotherPartOfAFileIsNotTakenForWhatIsLeftOfIt(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("0123456789", 500_000)
	w, address := serveTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		if r.Header.Get("Range") != "" {
			r.Header.Set("Range", "bytes=1-")
		} else {
			w = &breaking{ResponseWriter: w, left: 1_000_000}
		}
		http.ServeContent(w, r, "f", time.Time{}, strings.NewReader(body))
	}))
	_, err := Fetch(t.Context(), w, webObject(t, address+"/f"), t.TempDir(), Limits{})
	if err == nil || !strings.Contains(err.Error(), "does not go on where the download broke off") {
		t.Errorf("Fetch = %v", err)
	}
}

// A request must not make the executor ask its own machine or the metadata server, whatever the name resolves to.
func TestAURLLeadsNowhereIntoTheMachine(t *testing.T) {
	t.Parallel()
	var asked atomic.Bool
	_, address := serveTLS(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Store(true) }))
	w := newWeb(URLs{})
	t.Cleanup(w.client.CloseIdleConnections)
	for _, target := range []string{address, strings.Replace(address, "127.0.0.1", "localhost", 1), "https://169.254.169.254", "https://[::ffff:127.0.0.1]:1"} {
		_, err := Fetch(t.Context(), w, webObject(t, target+"/f"), t.TempDir(), Limits{})
		if refused := new(*RefusedError); !errors.As(err, refused) || !strings.Contains(err.Error(), "own machine") {
			t.Errorf("%s: %v", target, err)
		}
	}
	if asked.Load() {
		t.Error("the machine's own server was asked")
	}
}

func TestAWebServerIsBelievedOnlyWithACertificate(t *testing.T) {
	t.Parallel()
	_, address := serveTLS(t, http.NotFoundHandler())
	w := newWeb(URLs{Networks: loopback(t), Roots: x509.NewCertPool()})
	t.Cleanup(w.client.CloseIdleConnections)
	_, err := Fetch(t.Context(), w, webObject(t, address+"/f"), t.TempDir(), Limits{})
	if fault := new(*WebError); !errors.As(err, fault) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("Fetch = %v", err)
	}
}

func TestAURLIsReadByEverybodyAndWrittenByNobody(t *testing.T) {
	t.Parallel()
	stores := NewStores(nil, nil, URLs{})
	t.Cleanup(stores.Close)
	o := Object{Scheme: "https", Host: "example.org", Key: "f"}
	if _, err := stores.Reader(o, tenant.Tenant{}, request.Credentials{}); err != nil {
		t.Error(err)
	}
	if _, err := stores.Resolve(o, tenant.Tenant{}, request.Credentials{}, true); err == nil {
		t.Error("a URL may be written")
	}
	if _, err := stores.Reader(Object{Scheme: "gs", Bucket: "b", Key: "k"}, tenant.Tenant{}, request.Credentials{}); err == nil {
		t.Error("another tenant's bucket may be read")
	}
}

// serveTLS starts a server on loopback, and what reads from it.
func serveTLS(t *testing.T, h http.Handler) (w *web, address string) {
	t.Helper()
	server := httptest.NewTLSServer(h)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	w = newWeb(URLs{Networks: loopback(t), Roots: roots})
	w.pause = time.Millisecond
	t.Cleanup(server.Close)
	t.Cleanup(w.client.CloseIdleConnections)
	return w, server.URL
}

func loopback(t *testing.T) []netip.Prefix {
	t.Helper()
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

func webObject(t *testing.T, address string) Object {
	t.Helper()
	o, err := request.Artifact{Label: "data", URL: address}.Object(request.Location{})
	if err != nil {
		t.Fatal(err)
	}
	return o
}
