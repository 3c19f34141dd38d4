package artifact

import (
	"errors"
	"hash/crc32"
	"io"
)

// guarded is a download that may not stall while somebody waits for it.
type guarded struct {
	r     io.ReadCloser
	dog   *watchdog
	cause func(error) error
}

func (g *guarded) Read(p []byte) (int, error) {
	g.dog.reset()
	n, err := g.r.Read(p)
	g.dog.disarm()
	if err != nil && !errors.Is(err, io.EOF) {
		err = g.cause(err)
	}
	return n, err
}

func (g *guarded) Close() error {
	defer g.dog.end(nil)
	return g.r.Close()
}

// tally counts and sums what an upload took; a write that does not return is a stall.
type tally struct {
	w   io.Writer
	dog *watchdog
	n   int64
	crc uint32
	err error // of the store, not of what is written
}

func (t *tally) Write(p []byte) (int, error) {
	t.dog.reset()
	n, err := t.w.Write(p)
	t.dog.disarm()
	t.n += int64(n)
	t.crc = crc32.Update(t.crc, castagnoli(), p[:n])
	if err != nil {
		t.err = err
	}
	return n, err
}

// castagnoli is the table of CRC32C, which crc32 makes once.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }
