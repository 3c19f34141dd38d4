package s3face

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"cloud.google.com/go/storage"
	"github.com/johannesboyne/gofakes3"
)

const (
	shutdownWait  = 2 * time.Second
	metadataLimit = 16 << 10 // S3's headers counted; Cloud Storage allows 8 KiB of custom metadata
)

// Options are all needed.
type Options struct {
	Client    *storage.Client // without JSON reads, which cannot leave compressed objects as they are
	Project   string          // whose buckets are listed, and in which new ones are made
	AccessKey string
	Dir       string // for the parts of multipart uploads; removed at the end
	Log       *slog.Logger
}

// A Server is a running S3 endpoint.
type Server struct {
	URL string

	dir    string
	http   *http.Server
	served sync.WaitGroup
	cancel context.CancelFunc
	close  func() error
}

// Start serves on a free port of loopback until [Server.Close]; the end of ctx only prevents the start.
func Start(ctx context.Context, o Options) (*Server, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("start S3: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start S3: %w", err)
	}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b := &backend{ctx: work, client: o.Client, project: o.Project, uploads: newUploads(o.Dir)}
	face := gofakes3.New(b, gofakes3.WithMetadataSizeLimit(metadataLimit), gofakes3.WithLogger(faults{o.Log}), gofakes3.WithoutVersioning())
	s := &Server{
		URL: "http://" + listener.Addr().String(),
		dir: o.Dir,
		http: &http.Server{
			Handler:           authorize(o.AccessKey, translate(face.Server())),
			ReadHeaderTimeout: time.Minute,
			ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
		},
		cancel: cancel,
	}
	s.close = sync.OnceValue(s.shutdown)
	s.served.Go(func() { _ = s.http.Serve(listener) }) // always ErrServerClosed: the listener is its own
	return s, nil
}

// Close ends the server, and requests that take longer than two seconds. Closing twice is harmless.
func (s *Server) Close() error { return s.close() }

func (s *Server) shutdown() error {
	ctx, stop := context.WithTimeout(context.Background(), shutdownWait)
	defer stop()
	if s.http.Shutdown(ctx) != nil {
		s.cancel()
		_ = s.http.Close() // what was left is cut off, as said
	}
	s.cancel()
	s.served.Wait()
	return os.RemoveAll(s.dir)
}

// faults logs the library's errors and leaves out its tracing.
type faults struct{ log *slog.Logger }

func (f faults) Print(level gofakes3.LogLevel, v ...any) {
	if level == gofakes3.LogErr {
		f.log.Warn("s3 request failed", "error", fmt.Sprint(v...))
	}
}
