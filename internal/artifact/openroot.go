package artifact

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// openRoot opens a folder, and not what a link put in its place leads to. The path before its last part is trusted.
func openRoot(dir string) (root *os.Root, err error) {
	dir = filepath.Clean(dir)
	parent, err := os.OpenRoot(filepath.Dir(dir))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, parent.Close()) }()
	return openFolder(parent, filepath.Base(dir))
}

// openFolder opens a folder right below parent. What is no folder, a link to one included, is [errNoFolder].
func openFolder(parent *os.Root, name string) (*os.Root, error) {
	before, err := parent.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.IsDir() {
		return nil, fmt.Errorf("open %s: %w", quoted(name), errNoFolder)
	}
	root, err := parent.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	// Between the two calls a program can have put a link there.
	after, err := root.Stat(".")
	if err == nil && !os.SameFile(before, after) {
		err = fmt.Errorf("open %s: %w", quoted(name), errNoFolder)
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}

var errNoFolder = errors.New("not a folder")
