package artifact

import (
	"errors"
	"fmt"
	"syscall"
)

// Reason is a constant word for why an archive was not unpacked.
type Reason string

// Reasons of an [UnpackError].
const (
	NotATar     Reason = "not_a_tar"
	Damaged     Reason = "damaged"        // begins as an archive and does not go on as one
	UnsafePath  Reason = "unsafe_path"    // a member's name, or what it lies below
	UnsafeLink  Reason = "unsafe_link"    // leads out of the folder
	Unsupported Reason = "unsupported"    // a device, a pipe, …
	TooLarge    Reason = "too_large"      // over Limits.MaxBytes
	TooMany     Reason = "too_many_files" // over Limits.MaxFiles
	DiskFull    Reason = "disk_full"
	WrongDigest Reason = "wrong_digest"
)

// UnpackError says that an object cannot become a folder here. It is permanent: the object, not the way to it, is at fault.
type UnpackError struct {
	Object   Object
	Reason   Reason
	Sentence string // what is wrong, and what the experimenter can do
	Err      error
}

func (e *UnpackError) Error() string { return fmt.Sprintf("unpack %s: %s", e.Object, e.Sentence) }
func (e *UnpackError) Unwrap() error { return e.Err }

func bad(reason Reason, format string, args ...any) *UnpackError {
	return &UnpackError{Reason: reason, Sentence: fmt.Sprintf(format, args...)}
}

// diskError tells a full disk, and names that the disk cannot hold, from other faults of writing a member.
func diskError(member string, err error) error {
	var fault *UnpackError
	switch {
	case errors.As(err, &fault):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		fault = bad(DiskFull, "the disk was full at %s: ask for more disk (--hdd), or send less", quoted(member))
	case errors.Is(err, syscall.ENAMETOOLONG):
		fault = bad(UnsafePath, "the name %s is longer than a file system takes", quoted(member))
	default:
		return fmt.Errorf("write %s: %w", quoted(member), err)
	}
	fault.Err = err
	return fault
}

// quoted makes a hostile name fit to print: one line, no control characters, not long.
func quoted(name string) string {
	const enough = 160
	if len(name) > enough {
		name = name[:enough] + "…"
	}
	return fmt.Sprintf("%q", name)
}
