package artifact

import (
	"context"
	"errors"
	"io"
	"os"
	"time"
)

// file makes a file with a member's bytes.
func (t *tree) file(ctx context.Context, parent *os.Root, base string, m member, body io.Reader) error {
	if t.limits.MaxBytes > 0 && m.size > t.limits.MaxBytes-t.bytes {
		return tooLarge(t.limits)
	}
	var f *os.File
	err := t.replace(parent, base, false, func() (err error) {
		f, err = parent.OpenFile(base, os.O_WRONLY|os.O_CREATE|os.O_EXCL, ownerRead)
		return err
	})
	if err != nil {
		return diskError(m.name, err)
	}
	if err := errors.Join(t.fill(ctx, f, m, body), f.Close()); err != nil {
		return diskError(m.name, err)
	}
	if m.modified.IsZero() {
		return nil
	}
	return parent.Chtimes(base, time.Time{}, m.modified)
}

func (t *tree) fill(ctx context.Context, f *os.File, m member, body io.Reader) error {
	if t.limits.MaxBytes > 0 { // one byte more than may be shows that there is more
		body = io.LimitReader(body, t.limits.MaxBytes-t.bytes+1)
	}
	live := readerFunc(func(p []byte) (int, error) {
		if ctx.Err() != nil { // the zeros of a sparse member come from no download that would end
			return 0, context.Cause(ctx)
		}
		return body.Read(p)
	})
	n, err := io.CopyBuffer(writerFunc(f.Write), live, t.buf) // f itself would copy by 32 KiB
	t.bytes += n
	if t.limits.MaxBytes > 0 && t.bytes > t.limits.MaxBytes {
		return tooLarge(t.limits)
	}
	if err != nil {
		return err
	}
	if err := f.Chmod(m.mode | ownerRead); err != nil {
		return err
	}
	if t.uid < 0 && t.gid < 0 {
		return nil
	}
	return f.Chown(t.uid, t.gid)
}
