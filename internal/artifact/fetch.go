package artifact

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"regexp"
	"strings"
	"time"
)

// Limits bounds what an object may become on the disk.
type Limits struct {
	MaxBytes int64  // of all files together, unpacked; 0: no limit but the disk's
	MaxFiles int    // files, folders and links together; 0: no limit but the disk's
	Unpack   bool   // else, and where the extension names no archive, the object becomes one file
	Digest   string // SHA-256 in hex that the object, as stored, must have; "": any (see [DigestOf])
	UID, GID int    // owner of everything that is made; 0 and below: whoever runs this. Experiments never own as root
}

const (
	readBuffer = 1 << 20
	// perMember bounds what a tar spends on a member beside its bytes: headers with long names, and padding.
	perMember = 4 << 10
)

// Fetch streams an object into the folder dir, which is made if it is missing (its parent is not). A plain file takes the
// last part of the key as its name.
//
// Bytes, permissions, modification times, symbolic and hard links and empty folders are as in the archive, but for what is
// unsafe: set-user-ID and its like are dropped, the owner may always read and write, and an archive with a path or link
// that leads out of dir, or with a device or pipe, is refused whole. After any error dir holds what was unpacked so far;
// fetching again is harmless.
func Fetch(ctx context.Context, s Opener, o Object, dir string, limits Limits) (Info, error) {
	body, info, err := s.Open(ctx, o)
	if err != nil {
		return Info{}, err
	}
	defer func() { _ = body.Close() }() // what matters of a download shows up in reading it
	src := &source{r: body}
	if limits.Digest != "" {
		src.sum = sha256.New()
	}
	err = fetch(ctx, src, info, o, dir, limits)
	var fault *UnpackError
	switch {
	case src.err != nil:
		return info, fmt.Errorf("fetch %s: %w", o, src.err)
	case err != nil && src.ended && src.n < info.Size:
		return info, fmt.Errorf("fetch %s: the store sent %d of %d bytes: %w", o, src.n, info.Size, io.ErrUnexpectedEOF)
	case errors.As(err, &fault):
		fault.Object = o
		return info, fault
	case err != nil:
		return info, fmt.Errorf("fetch %s into %s: %w", o, dir, err)
	}
	return info, nil
}

func fetch(ctx context.Context, src *source, info Info, o Object, dir string, limits Limits) (err error) {
	if slack := int64(limits.MaxFiles+1) * perMember; limits.MaxBytes > 0 && limits.MaxFiles > 0 && info.Size > limits.MaxBytes+slack {
		return tooLarge(limits)
	}
	t, err := plant(dir, limits)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	r := bufio.NewReaderSize(src, readBuffer)
	if limits.Unpack && isArchive(o.Key) {
		err = unpack(ctx, r, t)
	} else {
		err = t.plain(ctx, r, path.Base(o.Key), info.Updated)
	}
	if err != nil {
		return err
	}
	return src.verify(r, limits.Digest)
}

// plain makes the object one file.
func (t *tree) plain(ctx context.Context, r io.Reader, name string, modified time.Time) error {
	if name == "." || name == "/" || name == ".." {
		return bad(UnsafePath, "its key ends in no name for a file")
	}
	parent, err := t.in(".")
	if err != nil {
		return err
	}
	return t.file(ctx, parent, name, member{name: name, mode: 0o644, size: -1, modified: modified}, r)
}

// source watches a download, to tell its faults from those of its content.
type source struct {
	r     io.Reader
	n     int64
	err   error // of the download
	ended bool
	sum   hash.Hash // nil: nobody asked
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	if s.sum != nil {
		s.sum.Write(p[:n])
	}
	switch {
	case errors.Is(err, io.EOF):
		s.ended = true
	case err != nil:
		s.err = err
	}
	return n, err
}

// verify reads what an archive leaves unread: padding, and to the end, where the store's reader checks its checksum.
func (s *source) verify(r io.Reader, digest string) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	if s.sum == nil || strings.EqualFold(hex.EncodeToString(s.sum.Sum(nil)), digest) {
		return nil
	}
	return bad(WrongDigest, "its bytes are not those that its name gives the SHA-256 of: delete the object and submit again")
}

// DigestOf returns the SHA-256 that a key promises: an immutable artifact is blobstore/<SHA-256 of the object>.tar. It is
// "" for any other key.
func DigestOf(key string) string {
	if m := regexp.MustCompile(`^blobstore/([0-9a-f]{64})\.tar(\.[a-z0-9]+)?$`).FindStringSubmatch(key); m != nil {
		return m[1]
	}
	return ""
}

// plant opens dir for writing, making it if it is missing.
func plant(dir string, limits Limits) (*tree, error) {
	if err := os.Mkdir(dir, folderMode); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, diskError(dir, err)
	}
	root, err := openRoot(dir)
	if err != nil {
		return nil, err
	}
	t := &tree{root: root, limits: limits, uid: owner(limits.UID), gid: owner(limits.GID), buf: make([]byte, readBuffer)}
	if err := t.own(root, "."); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return t, nil
}

// owner turns "whoever runs this" into what chown takes for it.
func owner(id int) int {
	if id <= 0 {
		return -1
	}
	return id
}

func tooLarge(l Limits) error {
	return bad(TooLarge, "its files are larger than the %d bytes that the experiment may use: ask for more disk (--hdd), or send less", l.MaxBytes)
}
