package artifact

import (
	"archive/tar"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestHostileArchivesAreRefusedAndTouchNothingElse(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		members []tar.Header
		want    Reason
	}{
		"a parent path":                         {[]tar.Header{regular("../evil", "x")}, UnsafePath},
		"a parent path further in":              {[]tar.Header{regular("a/../../evil", "x")}, UnsafePath},
		"an absolute path":                      {[]tar.Header{regular("/evil", "x")}, UnsafePath},
		"a file in the folder's place":          {[]tar.Header{regular(".", "x")}, UnsafePath},
		"a link in the folder's place":          {[]tar.Header{symlink("./", "a")}, UnsafePath},
		"a folder outside":                      {[]tar.Header{folder("../evil/")}, UnsafePath},
		"an absolute link":                      {[]tar.Header{symlink("l", "/etc")}, UnsafeLink},
		"a link to a parent":                    {[]tar.Header{symlink("d/l", "../../evil")}, UnsafeLink},
		"an empty link":                         {[]tar.Header{symlink("l", "./../")}, UnsafeLink},
		"a file below a link":                   {[]tar.Header{folder("d"), symlink("l", "d"), regular("l/x", "x")}, UnsafePath},
		"a folder below a link":                 {[]tar.Header{folder("d"), symlink("l", "d"), folder("l/x")}, UnsafePath},
		"a hard link outside":                   {[]tar.Header{hardlink("l", "../outside")}, UnsafeLink},
		"an absolute hard link":                 {[]tar.Header{hardlink("l", "/etc/passwd")}, UnsafeLink},
		"a hard link to a link":                 {[]tar.Header{regular("f", "x"), symlink("s", "f"), hardlink("l", "s")}, UnsafeLink},
		"a hard link through a link":            {[]tar.Header{regular("d/f", "x"), symlink("s", "d"), hardlink("l", "s/f")}, UnsafeLink},
		"a hard link to a folder":               {[]tar.Header{folder("d"), hardlink("l", "d")}, UnsafeLink},
		"a hard link to nothing":                {[]tar.Header{hardlink("l", "f")}, UnsafeLink},
		"a pipe":                                {[]tar.Header{{Name: "p", Typeflag: tar.TypeFifo}}, Unsupported},
		"a character device":                    {[]tar.Header{{Name: "p", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 5}}, Unsupported},
		"a block device":                        {[]tar.Header{{Name: "p", Typeflag: tar.TypeBlock}}, Unsupported},
		"an unknown kind":                       {[]tar.Header{{Name: "p", Typeflag: 'Z'}}, Unsupported},
		"a file that becomes a folder's parent": {[]tar.Header{regular("f", "x"), regular("f/x", "x")}, UnsafePath},
		"a folder that becomes a file":          {[]tar.Header{regular("d/f", "x"), regular("d", "x")}, UnsafePath},
		"a name longer than a file system takes": {
			[]tar.Header{regular(strings.Repeat("n", 300), "x")}, UnsafePath,
		},
		"endless folders":     {[]tar.Header{folder(strings.Repeat("d/", 2000))}, UnsafePath},
		"an endless name":     {[]tar.Header{regular(strings.Repeat("d", 5000), "x")}, UnsafePath},
		"more than it may":    {[]tar.Header{regular("a", strings.Repeat("x", 600)), regular("b", strings.Repeat("x", 600))}, TooLarge},
		"more files than may": {[]tar.Header{regular("1/2/3/4/5/6/7/8/9/10/11/12", "x")}, TooMany},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			around := t.TempDir()
			if err := os.WriteFile(filepath.Join(around, "outside"), []byte("secret"), 0o600); err != nil {
				t.Fatal(err)
			}
			limits := Limits{Unpack: true, MaxBytes: 1000, MaxFiles: 10}
			_, err := Fetch(t.Context(), stored(tarOf(t, tc.members...)), workspace, filepath.Join(around, "workspace"), limits)
			if got := reasonOf(err); got != tc.want {
				t.Errorf("Fetch = %v (%s), want %s", err, got, tc.want)
			}
			if left, err := os.ReadDir(around); err != nil || len(left) != 2 || read(t, around, "outside") != "secret" {
				t.Errorf("the folder around holds %v, %v", left, err)
			}
		})
	}
}

func TestReplacingALinkDoesNotWriteThroughIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := tarOf(t, regular("target", "kept"), symlink("l", "target"), hardlink("h", "target"), regular("l", "new"), regular("h", "newer"))
	if _, err := Fetch(t.Context(), stored(data), workspace, dir, unpacked); err != nil {
		t.Fatal(err)
	}
	if got := read(t, dir, "target"); got != "kept" {
		t.Errorf("target holds %q", got)
	}
}

func TestALinkPutInTheFoldersPlaceIsNotFollowed(t *testing.T) {
	t.Parallel()
	around := t.TempDir()
	elsewhere := t.TempDir()
	dir := filepath.Join(around, "modeldir")
	if err := os.Symlink(elsewhere, dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Fetch(t.Context(), stored(tarOf(t, regular("a", "x"))), workspace, dir, unpacked); !errors.Is(err, errNoFolder) {
		t.Errorf("Fetch = %v, want %v", err, errNoFolder)
	}
	if _, err := Upload(t.Context(), &memoryStore{}, workspace, dir, Put{}); !errors.Is(err, errNoFolder) {
		t.Errorf("Upload = %v, want %v", err, errNoFolder)
	}
	if left, err := os.ReadDir(elsewhere); err != nil || len(left) != 0 {
		t.Errorf("the link's folder holds %v, %v", left, err)
	}
}

func TestBombsAreRefusedBeforeTheyGrow(t *testing.T) {
	t.Parallel()
	limits := Limits{Unpack: true, MaxBytes: 1 << 20, MaxFiles: 10}
	zeros := make([]byte, 64<<20)
	for name, store := range map[string]*memoryStore{
		"a compressed one":    stored(gzipped(t, tarOf(t, regular("a", "x"), regular("zeros", string(zeros))))),
		"an object too large": {data: []byte("x"), size: 1 << 40},
		"a plain file":        {data: zeros[:2<<20], size: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := Object{Bucket: "b", Key: "x.tar"}
			if name == "a plain file" {
				object.Key = "x.bin"
			}
			dir := t.TempDir()
			if _, err := Fetch(t.Context(), store, object, dir, limits); reasonOf(err) != TooLarge {
				t.Errorf("Fetch = %v, want %s", err, TooLarge)
			}
			var total int64
			if err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
				if info, ierr := d.Info(); ierr == nil && !d.IsDir() {
					total += info.Size()
				}
				return err
			}); err != nil || total > limits.MaxBytes+1 {
				t.Errorf("%d bytes on the disk, %v", total, err)
			}
		})
	}
}

func TestWhatIsNoTarSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		data []byte
		want Reason
		says string
	}{
		"a zip file":       {append([]byte("PK\x03\x04"), make([]byte, 2000)...), NotATar, "a zip file"},
		"an error page":    {[]byte("<?xml version='1.0'?><Error/>"), NotATar, "XML or HTML"},
		"an empty object":  {[]byte{}, NotATar, "empty"},
		"text":             {bytes.Repeat([]byte("text "), 1000), NotATar, "not a tar archive"},
		"a cut archive":    {tarOf(t, regular("a", strings.Repeat("x", 4000)))[:2000], Damaged, "upload it again"},
		"a broken gzip":    {gzipped(t, tarOf(t, regular("a", strings.Repeat("x", 4000))))[:40], Damaged, "upload it again"},
		"gzip in name":     {append([]byte("\x1f\x8b"), bytes.Repeat([]byte("junk"), 100)...), Damaged, "upload it again"},
		"a compressed zip": {gzipped(t, append([]byte("PK\x03\x04"), bytes.Repeat([]byte("junk"), 1000)...)), NotATar, "not a tar archive"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Fetch(t.Context(), stored(tc.data), workspace, t.TempDir(), unpacked)
			if reasonOf(err) != tc.want || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), workspace.String()) {
				t.Errorf("Fetch = %v (%s), want %s saying %q", err, reasonOf(err), tc.want, tc.says)
			}
		})
	}
}

func TestAFullDiskHasASentenceOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		err := diskError("ckpt", &fs.PathError{Op: "write", Path: "ckpt", Err: full})
		if reasonOf(err) != DiskFull || !errors.Is(err, full) {
			t.Errorf("diskError(%v) = %v", full, err)
		}
	}
	if err := diskError("ckpt", syscall.EIO); reasonOf(err) != "" || !errors.Is(err, syscall.EIO) {
		t.Errorf("a fault of the disk is the archive's: %v", err)
	}
}

// Whatever an archive holds, nothing appears outside of its folder, and every link in it stays inside.
func FuzzUnpackStaysInside(f *testing.F) {
	f.Add(tarOf(f, regular("a", "x"), symlink("l", "a"), hardlink("h", "a"), folder("d"), symlink("d/l", "..")))
	f.Add(tarOf(f, symlink("l", "../.."), regular("l/x", "x")))
	f.Fuzz(func(t *testing.T, data []byte) {
		around := t.TempDir()
		dir := filepath.Join(around, "in")
		limits := Limits{Unpack: true, MaxBytes: 1 << 20, MaxFiles: 100}
		_, _ = Fetch(t.Context(), stored(data), workspace, dir, limits)
		if left, err := os.ReadDir(around); err != nil || len(left) > 1 {
			t.Fatalf("the folder around holds %v, %v", left, err)
		}
		_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.Type() != fs.ModeSymlink {
				return err
			}
			if to, err := filepath.EvalSymlinks(p); err == nil && to != dir && !strings.HasPrefix(to, dir+"/") {
				t.Errorf("%s leads to %s", p, to)
			}
			return nil
		})
	})
}
