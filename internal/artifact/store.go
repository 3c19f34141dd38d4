package artifact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

// Object names an object in a store.
type Object = request.Object

// Answers of a store; every other error of a [Store] may be retried, but for [*DeniedError].
var (
	// ErrNotExist says that there is no such object (or bucket).
	ErrNotExist = errors.New("object does not exist")
	// ErrPrecondition says that the object's generation is not the one that [Put] asked for: somebody else wrote it.
	ErrPrecondition = errors.New("object was written by somebody else")
)

// Info describes an object as its store does.
type Info struct {
	Size       int64 // bytes as stored
	Generation int64 // 0 in a store that has none (S3)
	CRC32C     uint32
	Metadata   map[string]string // custom metadata; keys in lower case, whatever the protocol made of them
	Updated    time.Time
	LeftOut    []string // set by [Upload] alone: what was not packed and why, a sentence each, the first 20
}

// Put says how an object is written.
type Put struct {
	Metadata     map[string]string
	IfGeneration *int64 // write only over this generation; 0: only where nothing is; nil: over anything
	MaxBytes     int64  // of a packed folder's files, for [Upload] alone; 0: no limit
}

// Opener reads objects under one identity. Implementations retry what is transient, and give up with an error once a
// request made no progress for minutes.
type Opener interface {
	// Open streams the object as stored, never decompressed. An interrupted download goes on where it was, in the same
	// generation.
	Open(ctx context.Context, o Object) (io.ReadCloser, Info, error)
}

// Store reads and writes objects, under the same rules.
type Store interface {
	Opener
	Attrs(ctx context.Context, o Object) (Info, error)
	// Put writes what write writes. The object appears whole or, after any error, not at all; an error of write is
	// returned as it is.
	Put(ctx context.Context, o Object, p Put, write func(io.Writer) error) (Info, error)
}

// DeniedError says that a store knows the caller and will not serve it.
type DeniedError struct {
	Object Object
	Own    bool // the executor's own identity was refused, not credentials that came with the request
	Write  bool
	Err    error
}

func (e *DeniedError) Error() string {
	act, role := "read", "roles/storage.objectViewer"
	if e.Write {
		act, role = "write", "roles/storage.objectUser"
	}
	if e.Own {
		return fmt.Sprintf("%s %s: the executor's own identity (its service account) may not %s bucket %s: grant it %s there",
			act, e.Object, act, e.Object.Bucket, role)
	}
	return fmt.Sprintf("%s %s: the credentials that the request carries may not %s bucket %s: check that they are current, and "+
		"allowed to %s and list it (without leave to list, some stores say this of an object that does not exist)",
		act, e.Object, act, e.Object.Bucket, act)
}

func (e *DeniedError) Unwrap() error { return e.Err }
