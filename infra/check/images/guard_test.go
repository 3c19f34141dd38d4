//go:build images

package images

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leaf-ai/studio-cloud-runner/infra/check/internal/repo"
)

// network is a network of its own with a metadata server; $1 is the metadata guard or another command, $2 the executor, which tries
// the server as the executor itself does. It prints what root and an experiment's user see, and what the user sees of names.
const network = `
set -eu
ip link set lo up
ip addr add 169.254.169.254/32 dev lo
ip addr add 10.9.9.9/32 dev lo
"$3" -c '
import socket, time
for address in (("169.254.169.254", 80), ("169.254.169.254", 53), ("10.9.9.9", 988), ("10.9.9.9", 443)):
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(address); s.listen(9)
    globals()[str(address)] = s
print("listening", flush=True)
time.sleep(60)' >/tmp/listening.$$ &
server=$!
trap 'kill $server' EXIT
until grep -q listening /tmp/listening.$$; do kill -0 $server; done
rm /tmp/listening.$$
sh -c "$1" 2>/dev/null || echo guard failed
for address in 169.254.169.254:80 169.254.169.254:53 10.9.9.9:988 10.9.9.9:443; do
  for user in 0 10000; do
    code=0; setpriv --reuid $user --regid $user --clear-groups "$2" studio-metadata-probe $address || code=$?
    echo "$user $address $code"
  done
done
`

// seen by a probe: see executor/internal/guard.
const (
	connects = " 10"
	rejected = " 11"
)

func try4(t *testing.T, guard string) string {
	t.Helper()
	root := repo.Root(t)
	python, err := exec.LookPath("/usr/bin/python3")
	if err != nil {
		t.Fatal(err)
	}
	probe := filepath.Join(t.TempDir(), "executor")
	for dir := filepath.Dir(probe); dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) {
		if out, err := exec.CommandContext(t.Context(), "chmod", "755", dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "install", "-m", "755", filepath.Join(root, "bin/executor"), probe).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), "unshare", "--net", "bash", "-c", network, "bash", guard, probe, python).CombinedOutput()
	if err != nil {
		t.Fatalf("a network of its own: %v\n%s", err, out)
	}
	return string(out)
}

func TestOnlyTheExecutorReachesTheMetadataServer(t *testing.T) {
	t.Parallel()
	out := try4(t, filepath.Join(repo.Root(t), "infra/images/executor/metadata-guard"))
	for _, want := range []string{
		"0 169.254.169.254:80" + connects, "10000 169.254.169.254:80" + rejected, // the server
		"0 10.9.9.9:988" + connects, "10000 10.9.9.9:988" + rejected, // and where it is on the node
		"10000 169.254.169.254:53" + connects, "10000 10.9.9.9:443" + connects, // names, and the rest of the world
	} {
		if !strings.Contains(out, want+"\n") {
			t.Errorf("not %q:\n%s", want, out)
		}
	}
}

// The probe tells a network without the guard.
func TestWithoutTheGuardExperimentsReachTheMetadataServer(t *testing.T) {
	t.Parallel()
	if out := try4(t, "true"); !strings.Contains(out, "10000 169.254.169.254:80"+connects+"\n") {
		t.Errorf("nothing to guard:\n%s", out)
	}
}

// A kernel or a container that refuses the rules must not pass for guarded.
func TestAGuardThatCannotGuardFails(t *testing.T) {
	t.Parallel()
	guard := filepath.Join(repo.Root(t), "infra/images/executor/metadata-guard")
	if out := try4(t, "setpriv --bounding-set=-net_admin --inh-caps=-net_admin "+guard); !strings.Contains(out, "guard failed") {
		t.Errorf("without NET_ADMIN:\n%s", out)
	}
}
