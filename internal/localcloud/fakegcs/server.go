package fakegcs

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

// shutdownWait bounds the wait for requests in progress at the end.
const shutdownWait = 2 * time.Second

// A Notifier takes the notifications of all buckets.
type Notifier interface {
	Notify(ctx context.Context, n Notification) error
}

// A Server is a running fake. Everything in it is gone after [Server.Close].
type Server struct {
	URL string // as STORAGE_EMULATOR_HOST has it

	fake   *fakestorage.Server
	http   *http.Server
	served sync.WaitGroup
	close  func() error
}

// Start serves on a free port of loopback, with empty buckets of the names given.
func Start(ctx context.Context, buckets []string, notifier Notifier, log *slog.Logger) (*Server, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start Cloud Storage: %w", err)
	}
	address := listener.Addr().String()
	fake, err := fakestorage.NewServerWithOptions(fakestorage.Options{
		NoListener: true, Scheme: "http", PublicHost: address, ExternalURL: "http://" + address,
	})
	if err != nil {
		return nil, fmt.Errorf("start Cloud Storage: %w", err)
	}
	for _, bucket := range buckets {
		fake.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: bucket})
	}
	s := &Server{
		URL:  "http://" + address,
		fake: fake,
		http: &http.Server{
			Handler:           public(notify(fake.HTTPHandler(), notifier, log)),
			ReadHeaderTimeout: time.Minute,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		},
	}
	s.close = sync.OnceValue(s.shutdown)
	s.served.Go(func() { _ = s.http.Serve(listener) }) // always ErrServerClosed: the listener is its own
	return s, nil
}

// Close ends the server, and requests that take longer than two seconds. Closing twice is harmless.
func (s *Server) Close() error { return s.close() }

func (s *Server) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownWait)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close() // what was left is cut off, as said
	}
	s.served.Wait()
	s.fake.Stop()
	return nil
}

// public hides the fake's own means to change it, which anything on this machine could reach.
func public(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/_internal/") {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
