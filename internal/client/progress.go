package client

import "io"

// Progress is told how far an act has come, in bytes; total is 0 where nobody knows it.
type Progress func(act string, done, total int64)

// progressWriter and progressReader tell of what passes through them.
type progressWriter struct {
	io.Writer
	told func(done int64)
	done int64
}

func (w *progressWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.done += int64(n)
	w.told(w.done)
	return n, err
}

type progressReader struct {
	io.Reader
	told func(done int64)
	done int64
}

func (r *progressReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.done += int64(n)
	r.told(r.done)
	return n, err
}

// telling is a function that tells of an act, or tells nobody.
func (c *Client) telling(act string, total int64) func(done int64) {
	return func(done int64) {
		if c.Progress != nil {
			c.Progress(act, done, total)
		}
	}
}
