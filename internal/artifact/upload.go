package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
)

// Upload streams the tar of what the folder dir holds into an object: paths relative to dir, in the order of names, no leading
// folder. dir may belong to a program that runs and changes it meanwhile; the archive is well-formed all the same. A file
// that cannot be read is an error that names it; then, as after any error, the object is what it was.
//
// Errors: [ErrPrecondition], [*PackError] and [*DeniedError]; others may be retried.
func Upload(ctx context.Context, s Store, o Object, dir string, p Put) (Info, error) {
	var leftOut []string
	info, err := s.Put(ctx, o, p, func(w io.Writer) (err error) {
		leftOut, err = pack(ctx, w, dir, p.MaxBytes)
		return err
	})
	if err != nil {
		return Info{}, fmt.Errorf("upload %s: %w", dir, err)
	}
	info.LeftOut = leftOut
	return info, nil
}

// Fingerprint sums up what lies below dir by names, kinds, sizes, modes, times and links, without reading a file: it differs
// after any change but one that keeps a file's size and puts back its time.
func Fingerprint(ctx context.Context, dir string) (string, error) {
	sum := sha256.New()
	err := walk(ctx, dir, func(e entry) error {
		var target string
		if e.info.Mode().Type() == fs.ModeSymlink {
			target, _ = e.parent.Readlink(e.base) // one that vanished differs by that
		}
		size, modified := e.info.Size(), e.info.ModTime().UnixNano()
		if e.info.IsDir() {
			size, modified = 0, 0 // what changes them shows by itself
		}
		_, err := fmt.Fprintf(sum, "%q %o %d %d %q\n", e.name, e.info.Mode(), size, modified, target)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("fingerprint %s: %w", dir, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
