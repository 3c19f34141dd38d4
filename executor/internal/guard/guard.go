// Package guard proves, before the executor takes work, that experiments cannot reach the metadata server, which hands the
// executor's own credentials to every process of the pod.
//
// What keeps them from it is not this package but the pod's metadata guard (images/executor/metadata-guard), which rejects
// packets of every user but root in the pod's own network. Whether that works depends on the node's kernel and on the cluster's
// network, so it is not believed but tried: as an experiment's user. An executor that is to be guarded and is not refuses to start.
package guard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/process"
)

// Server is the metadata server's address, on every kind of Google's machines.
const Server = "169.254.169.254:80"

// ErrOpen means that experiments can reach the metadata server.
var ErrOpen = errors.New("experiments can reach the metadata server and with it the executor's credentials")

const (
	probeName = "studio-metadata-probe" // the probe's argv[1]; argv[2] is the address
	connected = 10                      // its exit codes, unlike those of a program that fails
	refused   = 11
	patience  = 3 * time.Second // a connection on one machine takes milliseconds
)

// settle is how long a new pod's metadata server may take until it answers; before that, nothing is proven.
const settle = 20 * time.Second

// ProbeMain must be called in main before anything else but process.LauncherMain. It returns in every process but the probe.
func ProbeMain() {
	if len(os.Args) != 3 || os.Args[1] != probeName {
		return
	}
	if reach(context.Background(), os.Args[2]) == nil {
		os.Exit(connected)
	}
	os.Exit(refused)
}

// Check returns nil if no metadata server answers the executor, or none answers the user.
func Check(ctx context.Context, address string, user *process.User) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("try the metadata guard: %w", err)
	}
	return check(ctx, self, address, user, settle)
}

func check(ctx context.Context, self, address string, user *process.User, wait time.Duration) error {
	if !appears(ctx, address, wait) {
		return ctx.Err()
	}
	r, err := process.Run(ctx, process.Spec{Argv: []string{self, probeName, address}, User: user})
	switch {
	case err != nil:
		return fmt.Errorf("try the metadata guard as user %d: %w", user.UID, err)
	case r.ExitCode == refused:
		return nil
	case r.ExitCode == connected:
		return fmt.Errorf("%w: user %d connected to %s; see that the pod's init container metadata-guard ran, or unset METADATA_GUARD where you know everybody who submits", ErrOpen, user.UID, address)
	default:
		return fmt.Errorf("try the metadata guard as user %d: the probe ended with %d", user.UID, r.ExitCode)
	}
}

// appears waits until the server answers the executor itself.
func appears(ctx context.Context, address string, wait time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for reach(ctx, address) != nil {
		timer := time.NewTimer(200 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
	return true
}

func reach(ctx context.Context, address string) error {
	c, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return c.Close()
}
