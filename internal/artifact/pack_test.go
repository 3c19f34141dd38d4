package artifact

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestUploadPacksAFolderThatFetchMakesAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "z/run.sh", "#!/bin/sh\n", 0o755)
	write(t, dir, "output", "hello\n", 0o644)
	write(t, dir, strings.Repeat("long-name/", 20)+"模型", "weights", 0o600)
	write(t, dir, "blank", "", 0o640)
	must(t, os.Mkdir(filepath.Join(dir, "empty"), 0o700))
	must(t, os.Symlink("z/run.sh", filepath.Join(dir, "link")))
	must(t, os.Symlink("../output", filepath.Join(dir, "z/up")))
	must(t, os.Symlink(filepath.Join(dir, "z"), filepath.Join(dir, "absolute")))
	must(t, os.Link(filepath.Join(dir, "output"), filepath.Join(dir, "same")))
	must(t, os.Chtimes(filepath.Join(dir, "output"), then, then))

	store := &memoryStore{}
	metadata := map[string]string{"studioml-state": "running"}
	info, err := Upload(t.Context(), store, workspace, dir, Put{Metadata: metadata})
	if err != nil || len(info.LeftOut) != 0 {
		t.Fatalf("Upload = %+v, %v", info, err)
	}
	if got := store.puts[0].Metadata["studioml-state"]; got != "running" {
		t.Errorf("metadata = %q", got)
	}
	names := namesOf(t, store.data)
	if !slices.Contains(names, "output") || !slices.IsSorted(names) || slices.ContainsFunc(names, func(n string) bool {
		return strings.HasPrefix(n, ".") || strings.HasPrefix(n, "/")
	}) {
		t.Errorf("names = %q", names)
	}

	again := filepath.Join(t.TempDir(), "again")
	if _, err := Fetch(t.Context(), store, workspace, again, unpacked); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"z/run.sh": "#!/bin/sh\n", "link": "#!/bin/sh\n", "z/up": "hello\n", "absolute/run.sh": "#!/bin/sh\n",
		"same": "hello\n", strings.Repeat("long-name/", 20) + "模型": "weights", "blank": "",
	} {
		if got := read(t, again, name); got != want {
			t.Errorf("%s holds %q, want %q", name, got, want)
		}
	}
	if got := stat(t, again, "output"); !got.ModTime().Equal(then) || !os.SameFile(got, stat(t, again, "same")) {
		t.Errorf("output has time %v, or is no hard link any more", got.ModTime())
	}
	if got := stat(t, again, "z/run.sh").Mode(); got != 0o755 {
		t.Errorf("run.sh has mode %v", got)
	}
	if got := stat(t, again, "empty").Mode(); got != fs.ModeDir|0o700 {
		t.Errorf("empty has mode %v", got)
	}
}

func TestWhatCannotBePackedIsLeftOutAndTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "kept", "x", 0o644)
	must(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	must(t, os.Symlink("/etc/passwd", filepath.Join(dir, "absolute")))
	must(t, os.Symlink("../../elsewhere", filepath.Join(dir, "outside")))
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })

	store := &memoryStore{}
	info, err := Upload(t.Context(), store, workspace, dir, Put{})
	if err != nil {
		t.Fatal(err)
	}
	if got := namesOf(t, store.data); !slices.Equal(got, []string{"kept"}) {
		t.Errorf("packed %q, want kept alone", got)
	}
	for _, name := range []string{"pipe", "absolute", "outside", "socket"} {
		if !slices.ContainsFunc(info.LeftOut, func(s string) bool { return strings.HasPrefix(s, `"`+name+`" `) }) {
			t.Errorf("%s is not told to be left out: %q", name, info.LeftOut)
		}
	}
}

func TestAnEmptyFolderIsAnEmptyArchive(t *testing.T) {
	t.Parallel()
	store := &memoryStore{}
	if _, err := Upload(t.Context(), store, workspace, t.TempDir(), Put{}); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "again")
	if _, err := Fetch(t.Context(), store, workspace, dir, unpacked); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("the folder holds %v, %v", left, err)
	}
}

// A file's size is taken when it is opened; a change after that must not spoil the archive.
func TestFilesThatChangeWhileTheyArePacked(t *testing.T) {
	t.Parallel()
	const size = 3 << 20
	for name, tc := range map[string]struct {
		change func(path string) error
		want   func(body string) bool
	}{
		"grows":   {func(p string) error { return appendTo(p, "more") }, func(b string) bool { return b == strings.Repeat("x", size) }},
		"shrinks": {func(p string) error { return os.Truncate(p, 0) }, func(b string) bool { return strings.HasSuffix(b, strings.Repeat("\x00", 1<<20)) }},
		"goes":    {os.Remove, func(b string) bool { return b == strings.Repeat("x", size) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, "big", strings.Repeat("x", size), 0o644)
			write(t, dir, "next", "next", 0o644)
			var buf bytes.Buffer
			changed := false
			_, err := pack(t.Context(), writerFunc(func(p []byte) (int, error) {
				if !changed { // the first bytes of big are on their way
					changed = true
					must(t, tc.change(filepath.Join(dir, "big")))
				}
				return buf.Write(p)
			}), dir, 0)
			if err != nil {
				t.Fatal(err)
			}
			bodies := bodiesOf(t, buf.Bytes())
			if got := bodies["big"]; len(got) != size || !tc.want(got) {
				t.Errorf("big has %d bytes, want %d of the right kind", len(got), size)
			}
			if bodies["next"] != "next" {
				t.Errorf("next holds %q", bodies["next"])
			}
		})
	}
}

// A program may replace what was listed by something else before it is opened.
func TestSwapsBetweenListingAndOpening(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(secret, []byte("secret"), 0o600))
	for name, swap := range map[string]func(path string) error{
		"for a link out of the folder": func(p string) error { return os.Symlink(secret, p) },
		"for a pipe":                   func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"for a folder":                 func(p string) error { return os.Mkdir(p, 0o700) },
		"for a link to a folder":       func(p string) error { return os.Symlink(filepath.Dir(secret), p) },
		"for nothing":                  func(string) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, victim := range []string{"file", "folder"} {
				dir := t.TempDir()
				write(t, dir, "file", "mine", 0o644)
				write(t, dir, "folder/secret", "mine", 0o644)
				var buf bytes.Buffer
				p := &packer{tw: tar.NewWriter(&buf), dir: dir, links: map[inode]string{}, buf: make([]byte, readBuffer)}
				err := walk(t.Context(), dir, func(e entry) error {
					if e.name == victim {
						must(t, os.RemoveAll(filepath.Join(dir, victim)))
						must(t, swap(filepath.Join(dir, victim)))
					}
					return p.add(t.Context(), e)
				})
				if err := errors.Join(err, p.tw.Close()); err != nil {
					t.Errorf("packing with %s swapped: %v", victim, err)
				}
				for member, body := range bodiesOf(t, buf.Bytes()) {
					if body == "secret" {
						t.Errorf("the secret was packed as %s", member)
					}
				}
			}
		})
	}
}

func TestSomebodyElsesFileIsNotPackedByItsHardLink(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root gives folders away")
	}
	around := t.TempDir()
	write(t, around, "secret", "secret", 0o600)
	dir := filepath.Join(around, "modeldir")
	must(t, os.Mkdir(dir, 0o755))
	must(t, os.Chown(dir, 12345, 12345))
	must(t, os.Link(filepath.Join(around, "secret"), filepath.Join(dir, "mine")))
	store := &memoryStore{}
	info, err := Upload(t.Context(), store, workspace, dir, Put{})
	if err != nil || len(info.LeftOut) != 1 || len(namesOf(t, store.data)) != 0 {
		t.Errorf("Upload packed %q, left out %q, %v", namesOf(t, store.data), info.LeftOut, err)
	}
}

func TestLimitsOfPacking(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "a", strings.Repeat("x", 600), 0o644)
	write(t, dir, "b", strings.Repeat("x", 600), 0o644)
	deep := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(deep, strings.Repeat("d/", deepest+1)), 0o755))
	for name, tc := range map[string]struct {
		dir string
		max int64
	}{"too large": {dir, 1000}, "too deep": {deep, 0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := &memoryStore{}
			var fault *PackError
			if _, err := Upload(t.Context(), store, workspace, tc.dir, Put{MaxBytes: tc.max}); !errors.As(err, &fault) {
				t.Errorf("Upload = %v, want a *PackError", err)
			}
			if store.data != nil {
				t.Error("an object was written all the same")
			}
		})
	}
	if _, err := Upload(t.Context(), &memoryStore{}, workspace, dir, Put{MaxBytes: 1200}); err != nil {
		t.Errorf("Upload of just what is allowed: %v", err)
	}
}

func TestFingerprintTellsChanges(t *testing.T) {
	t.Parallel()
	changes := map[string]func(dir string) error{
		"nothing":        func(string) error { return nil },
		"a longer file":  func(d string) error { return appendTo(filepath.Join(d, "a"), "x") },
		"a touched file": func(d string) error { return os.Chtimes(filepath.Join(d, "a"), then, then.Add(time.Nanosecond)) },
		"a mode":         func(d string) error { return os.Chmod(filepath.Join(d, "a"), 0o600) },
		"a new file":     func(d string) error { return os.WriteFile(filepath.Join(d, "sub/b"), nil, 0o600) },
		"a new folder":   func(d string) error { return os.Mkdir(filepath.Join(d, "sub/c"), 0o700) },
		"a lost file":    func(d string) error { return os.Remove(filepath.Join(d, "a")) },
		"another link": func(d string) error {
			return errors.Join(os.Remove(filepath.Join(d, "l")), os.Symlink("sub", filepath.Join(d, "l")))
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, "a", "x", 0o644)
			must(t, os.Chtimes(filepath.Join(dir, "a"), then, then))
			must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
			must(t, os.Symlink("a", filepath.Join(dir, "l")))
			before, err := Fingerprint(t.Context(), dir)
			must(t, err)
			must(t, change(dir))
			after, err := Fingerprint(t.Context(), dir)
			must(t, err)
			if same := before == after; same != (name == "nothing") {
				t.Errorf("after %s the fingerprint is the same: %v", name, same)
			}
		})
	}
}

func TestPythonReadsWhatIsPacked(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	dir := t.TempDir()
	write(t, dir, "output", "hello\n", 0o644)
	write(t, dir, strings.Repeat("é", 120)+"/x", "x", 0o644)
	must(t, os.Symlink("output", filepath.Join(dir, "link")))
	must(t, os.Link(filepath.Join(dir, "output"), filepath.Join(dir, "same")))
	store := &memoryStore{}
	if _, err := Upload(t.Context(), store, workspace, dir, Put{}); err != nil {
		t.Fatal(err)
	}
	archive, again := filepath.Join(t.TempDir(), "output.tar"), t.TempDir()
	must(t, os.WriteFile(archive, store.data, 0o600))
	const program = "import sys, tarfile; t = tarfile.open(sys.argv[1]); t.extractall(sys.argv[2]); print(t.getnames())"
	if out, err := exec.CommandContext(t.Context(), python, "-W", "ignore", "-c", program, archive, again).CombinedOutput(); err != nil {
		t.Fatalf("python3: %v: %s", err, out)
	}
	for _, name := range []string{"output", "link", "same"} {
		if got := read(t, again, name); got != "hello\n" {
			t.Errorf("%s holds %q", name, got)
		}
	}
}

func write(t *testing.T, dir, name, body string, mode fs.FileMode) {
	t.Helper()
	path := filepath.Join(dir, name)
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(body), mode))
	must(t, os.Chmod(path, mode))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Close())
}

func namesOf(t *testing.T, data []byte) (names []string) {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		must(t, err)
		names = append(names, h.Name)
	}
}

func bodiesOf(t *testing.T, data []byte) map[string]string {
	t.Helper()
	bodies := map[string]string{}
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return bodies
		}
		must(t, err)
		body, err := io.ReadAll(r)
		must(t, err)
		bodies[h.Name] = string(body)
	}
}
