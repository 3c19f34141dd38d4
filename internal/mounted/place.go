package mounted

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// mountLink is the link that Kubernetes swaps to give a mounted volume its next version.
const mountLink = "..data"

// largest is well above the 1 MiB that a Kubernetes secret may hold in all.
const largest = 4 << 20

// Place is a file or a folder as it was at one moment.
type Place struct {
	Path   string
	Folder bool
	Files  []File // the one file; of a folder all but hidden ones, in the order of their names
	Err    error  // why there are none to speak of
}

// File is one file of a place.
type File struct {
	Name string
	Path string // as an operator knows it, whichever version a mount has
	Data []byte
	Err  error // why there is no Data
}

// pass is one reading of several places.
type pass struct {
	versions map[string]string // of mounts, by their folder: what the link said when this pass first met it
	digest   [sha256.Size]byte
}

// read reads the places, none of which then changed under way.
func read(paths []string) ([]Place, [sha256.Size]byte, error) {
	const most = 100 // a pass takes less than a millisecond
	last := pass{versions: map[string]string{}}
	_ = last.read(paths)
	for range most {
		p := pass{versions: map[string]string{}}
		if places := p.read(paths); p.digest == last.digest {
			return places, p.digest, nil
		}
		last = p
	}
	return nil, last.digest, fmt.Errorf("read %s: it changes all the time; replace the files in one step, such as a rename", strings.Join(paths, ", "))
}

func (p *pass) read(paths []string) []Place {
	sum := sha256.New()
	places := make([]Place, len(paths))
	for i, path := range paths {
		places[i] = p.place(path)
		p.describe(sum, places[i])
	}
	sum.Sum(p.digest[:0])
	return places
}

// describe writes what tells a place's versions apart. Lengths keep what follows from running into one another.
func (p *pass) describe(sum io.Writer, at Place) {
	folder := at.Path
	if !at.Folder {
		folder = filepath.Dir(at.Path)
	}
	_, _ = fmt.Fprintf(sum, "%q %q %t %q\n", at.Path, p.versions[folder], at.Folder, fmt.Sprint(at.Err))
	for _, f := range at.Files {
		_, _ = fmt.Fprintf(sum, "%q %q %d\n", f.Path, fmt.Sprint(f.Err), len(f.Data))
		_, _ = sum.Write(f.Data)
	}
}

func (p *pass) place(path string) Place {
	at := Place{Path: path}
	info, err := os.Stat(path)
	if err != nil {
		at.Err = err
		return at
	}
	if at.Folder = info.IsDir(); !at.Folder {
		at.Files = []File{p.file(filepath.Dir(path), filepath.Base(path))}
		at.Err = at.Files[0].Err
		return at
	}
	entries, err := os.ReadDir(p.version(path))
	if err != nil {
		at.Err = err
		return at
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			at.Files = append(at.Files, p.file(path, e.Name()))
		}
	}
	return at
}

// version is the folder that holds the files of a mount's version, and any other folder itself.
func (p *pass) version(dir string) string {
	target, known := p.versions[dir]
	if !known {
		target, _ = os.Readlink(filepath.Join(dir, mountLink)) // none in an ordinary folder
		p.versions[dir] = target
	}
	switch {
	case target == "":
		return dir
	case filepath.IsAbs(target):
		return target
	}
	return filepath.Join(dir, target)
}

func (p *pass) file(dir, name string) File {
	f := File{Name: name, Path: filepath.Join(dir, name)}
	path := f.Path
	if version := p.version(dir); version != dir {
		if inside := filepath.Join(version, name); exists(inside) {
			path = inside
		}
	}
	if f.Data, f.Err = readFile(path); f.Err != nil {
		f.Data = nil
		var at *fs.PathError
		if errors.As(f.Err, &at) { // the operator's name for it, and the same in every version
			f.Err = fmt.Errorf("%s %s: %w", at.Op, f.Path, at.Err)
		}
	}
	return f
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// readFile reads nothing that could keep it waiting, or fill the memory.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("it is no regular file")}
	case info.Size() > largest:
		return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("it has %d bytes of at most %d", info.Size(), int64(largest))}
	}
	return os.ReadFile(path) //nolint:gosec // the operator names the file
}
