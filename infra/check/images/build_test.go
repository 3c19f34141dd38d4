//go:build images

package images

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/leaf-ai/studio-cloud-runner/infra/check/internal/repo"
)

// buildah runs it for images in chroots of their own: no daemon and no namespaces.
func buildah(t *testing.T, args ...string) string {
	t.Helper()
	out, err := try(t, args...)
	if err != nil {
		t.Fatalf("buildah %s: %v\n%s", strings.Join(args, " "), err, tail(out))
	}
	return strings.TrimSpace(out)
}

func try(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "buildah", args...)
	cmd.Dir = repo.Root(t)
	cmd.Env = append(os.Environ(), "BUILDAH_ISOLATION=chroot", "STORAGE_DRIVER=vfs")
	return output(cmd)
}

func output(cmd *exec.Cmd) (string, error) {
	var out, faults bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &faults
	err := cmd.Run()
	if err != nil {
		return out.String() + faults.String(), err
	}
	return out.String(), nil
}

func tail(text string) string { return text[max(0, len(text)-3000):] }

// build builds an image over the stand-ins, with this machine's Go, its modules and its authorities.
func build(t *testing.T, folder, name string, args ...string) string {
	t.Helper()
	script := exec.CommandContext(t.Context(), filepath.Join(repo.Root(t), "infra/images/stand-ins"))
	if out, err := script.CombinedOutput(); err != nil {
		t.Fatalf("make stand-ins: %v: %s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT", "GOMODCACHE", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	goes := strings.Fields(string(out))
	image := "localhost/studio-check/" + name
	buildah(t, append([]string{
		"bud", "--isolation", "chroot", "--pull-never", "--layers", "--file", folder + "/Dockerfile", "--tag", image, "--ignorefile", ".dockerignore",
		"--volume", goes[0] + ":/usr/local/go:ro", "--volume", goes[1] + ":/go/pkg/mod", "--volume", goes[2] + ":/root/.cache/go-build", "--volume", "/etc/ssl/certs:/etc/ssl/certs:ro", "--volume", "/usr/share/ca-certificates:/usr/share/ca-certificates:ro",
		"--build-arg", "GO=localhost/studio-stand-in/go:1",
	}, append(args, ".")...)...)
	return image
}

// container is the root of an image's files, and what its Dockerfile says of starting it.
type container struct {
	root, user string
	env        []string
}

func start(t *testing.T, image string) container {
	t.Helper()
	name := buildah(t, "from", "--pull-never", image)
	t.Cleanup(func() {
		rm := exec.Command("buildah", "rm", name) //nolint:noctx // the test's context is over
		rm.Env = append(os.Environ(), "STORAGE_DRIVER=vfs")
		if out, err := rm.CombinedOutput(); err != nil {
			t.Errorf("remove the container: %v: %s", err, out)
		}
	})
	root := buildah(t, "mount", name)
	mount(t, root)
	return container{
		root: root, user: buildah(t, "inspect", "--format", "{{.OCIv1.Config.User}}", name),
		env: strings.Fields(strings.Trim(buildah(t, "inspect", "--format", "{{.OCIv1.Config.Env}}", name), "[]")),
	}
}

// mount gives the container /proc, by which programs find the libraries beside them.
func mount(t *testing.T, root string) {
	t.Helper()
	proc := filepath.Join(root, "proc")
	if err := os.MkdirAll(proc, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("/proc", proc, "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
		t.Fatalf("mount %s: %v", proc, err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(proc, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", proc, err)
		}
	})
}

// run runs a program of the image as the image's user.
func (c container) run(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "chroot", append([]string{"--userspec=" + c.user, c.root}, args...)...)
	cmd.Env = append(env, c.env...)
	return output(cmd)
}

// What the image says when it is started without settings shows that it starts, as whom, and with which libraries.
func TestTheFunctionsImagesAreBuiltAndStart(t *testing.T) { //nolint:paralleltest // two cores
	for _, program := range []string{"bridge", "finalize"} {
		image := build(t, "infra/images/functions", program, "--build-arg", "STATIC=localhost/studio-stand-in/static:1", "--build-arg", "PROGRAM="+program)
		c := start(t, image)
		if out, err := c.run(t, []string{"PORT=none"}, "/function"); err == nil || !strings.Contains(out, program+": serve:") {
			t.Errorf("%s: %v: %s", program, err, out)
		}
		if c.user != "65532:65532" {
			t.Errorf("%s: is started as %s", program, c.user)
		}
		if out, err := c.run(t, nil, "/bin/sh", "-c", "true"); err == nil {
			t.Errorf("%s: has a shell: %s", program, out)
		}
	}
}

// pythons packs the Pythons of this machine, for uv to take them in place of its downloads, which may be out of reach. Where there are
// none, uv downloads all.
func pythons(t *testing.T) (versions, args []string) {
	t.Helper()
	folder, all := t.TempDir(), []string{"3.9", "3.10", "3.11", "3.12", "3.13"}
	cmd := exec.CommandContext(t.Context(), filepath.Join(repo.Root(t), "infra/images/pythons"), append([]string{folder}, all...)...)
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("pack the Pythons of this machine: %v", err)
	}
	if versions = strings.Fields(string(out)); len(versions) == 0 {
		return all, nil
	}
	return versions, []string{"--volume", folder + ":/etc/uv:ro", "--build-arg", "PYTHONS=" + strings.Join(versions, " ")}
}

func TestTheExecutorsImageIsBuiltAndStarts(t *testing.T) { //nolint:paralleltest // two cores
	versions, packed := pythons(t)
	image := build(t, "infra/images/executor", "executor",
		append(packed, "--build-arg", "CUDA=localhost/studio-stand-in/cuda:1", "--build-arg", "UV=localhost/studio-stand-in/uv:1")...)
	c := start(t, image)
	for _, version := range versions {
		if out, err := c.run(t, nil, "/usr/local/bin/python"+version, "-c", "import sys, ssl, sqlite3; print(sys.base_prefix)"); err != nil || !strings.HasPrefix(out, "/opt/python/") {
			t.Errorf("Python %s: %v: %s", version, err, tail(out))
		}
	}
	out, err := c.run(t, nil, "/usr/local/bin/executor")
	if err == nil {
		t.Error("an executor without settings started")
	}
	for _, want := range []string{"GOOGLE_CLOUD_PROJECT", "POOLS", "TENANTS"} {
		if !strings.Contains(out, want) {
			t.Errorf("the executor does not ask for %s:\n%s", want, out)
		}
	}
	for _, command := range []string{
		"uv --version", "git --version", "gcc --version", "ffmpeg -version", "iptables-nft --version", "test -x /usr/local/bin/metadata-guard",
		"ldd /usr/local/bin/executor && ! ldd /usr/local/bin/executor | grep 'not found'",
		"for l in libGL.so.1 libglib-2.0.so.0 libgomp.so.1 libsndfile.so.1 libSM.so.6; do ldconfig -p | grep -q $l || exit 1; done",
	} {
		if out, err := c.run(t, nil, "/bin/sh", "-c", command); err != nil {
			t.Errorf("%s: %v\n%s", command, err, tail(out))
		}
	}
	if out, err := c.run(t, nil, "/bin/sh", "-c", "no-such-program"); err == nil {
		t.Errorf("a command that fails does not: %s", out)
	}
}
