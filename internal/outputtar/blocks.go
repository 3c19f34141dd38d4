package outputtar

import (
	"errors"
	"io"
)

// blocks lets archive/tar, which seeks over what it does not read, read a source in steps of blockSize.
type blocks struct {
	read  func(p []byte, off int64) (int, error)
	size  int64
	off   int64
	block []byte // what was read last,
	at    int64  // and where it begins
	err   error  // of the source
}

func (b *blocks) Read(p []byte) (int, error) {
	if b.off >= b.size {
		return 0, io.EOF
	}
	if b.off < b.at || b.off >= b.at+int64(len(b.block)) {
		if err := b.fill(); err != nil {
			b.err = err
			return 0, err
		}
	}
	n := copy(p, b.block[b.off-b.at:])
	b.off += int64(n)
	return n, nil
}

func (b *blocks) fill() error {
	block := make([]byte, min(blockSize, b.size-b.off))
	n, err := b.read(block, b.off)
	if err == nil && n == 0 {
		err = io.ErrUnexpectedEOF // the source is shorter than was said
	}
	b.block, b.at = block[:n], b.off
	return err
}

func (b *blocks) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.off
	case io.SeekEnd:
		offset += b.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning")
	}
	b.off = offset
	return offset, nil
}
