// Package guard proves, before the executor takes work, that experiments cannot reach the metadata server, which hands the
// executor's own credentials to every process of the pod.
//
// What keeps them from it is not this package but the pod's metadata guard (images/executor/metadata-guard), which rejects
// packets of every user but root in the pod's own network. Whether that works depends on the node's kernel and on the cluster's
// network, so it is not believed but tried: as an experiment's user, while the executor itself gets through. An executor that is to
// be guarded and is not, or of which that is not known, refuses to start.
package guard

import (
	"cmp"
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

// ErrSilent means that nothing is proven, since the executor itself does not reach the metadata server.
var ErrSilent = errors.New("the metadata server does not answer the executor itself, so that nothing proves that experiments are kept from it")

const (
	probeName = "studio-metadata-probe" // the probe's argv[1]; argv[2] is the address
	connected = 10                      // its exit codes, unlike those of a program that fails
	refused   = 11
	patience  = 3 * time.Second // a connection on one machine takes milliseconds
)

// settle is how long a new pod's metadata server may take until it answers; on a new node its own pod may still have to start.
// https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity#limitations speaks of the first seconds only.
const settle = time.Minute

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

// Check returns nil if the metadata server answers the executor and not the user. A server that answers neither proves nothing:
// it may be late, and would answer both.
func Check(ctx context.Context, address string, user *process.User) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("try the metadata guard: %w", err)
	}
	return check(ctx, self, address, user, settle)
}

func check(ctx context.Context, self, address string, user *process.User, wait time.Duration) error {
	late, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		if err := appears(late, address); err != nil {
			return cmp.Or(ctx.Err(), err)
		}
		if err := probe(ctx, self, address, user); err != nil {
			return err
		}
		if reach(late, address) == nil { // so that it was the user who was held off, not everybody for that moment
			return nil
		}
	}
}

// probe returns nil if the user does not reach the server.
func probe(ctx context.Context, self, address string, user *process.User) error {
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
func appears(ctx context.Context, address string) error {
	for {
		err := reach(ctx, address)
		if err == nil {
			return nil
		}
		timer := time.NewTimer(200 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w, at %s: see that the node's metadata server runs and that the pod's network policy lets it through, or unset METADATA_GUARD where there is none: %w", ErrSilent, address, err)
		}
	}
}

func reach(ctx context.Context, address string) error {
	c, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return c.Close()
}
