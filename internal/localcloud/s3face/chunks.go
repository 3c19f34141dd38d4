package s3face

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

var errChunk = errors.New("malformed chunked body")

// chunks decodes S3's aws-chunked bodies: each chunk is its size in hexadecimal, extensions after a semicolon, and its bytes; trailing headers
// may follow the last, empty one (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html). Signatures are not checked.
type chunks struct {
	in   *bufio.Reader
	left int64 // of the chunk
	more bool  // a chunk was read before
	err  error
}

func newChunks(r io.Reader) *chunks { return &chunks{in: bufio.NewReader(r)} }

func (c *chunks) Read(p []byte) (int, error) {
	if c.left == 0 && c.err == nil {
		c.err = c.next()
	}
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.in.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if errors.Is(err, io.EOF) {
		c.err = io.ErrUnexpectedEOF
		return n, c.err
	}
	return n, err
}

// next goes to the next chunk; io.EOF is the regular end.
func (c *chunks) next() error {
	if c.more {
		if end, err := c.line(); err != nil || end != "" {
			return errors.Join(errChunk, err)
		}
	}
	head, err := c.line()
	if err != nil {
		return err
	}
	digits, _, _ := strings.Cut(head, ";")
	size, err := strconv.ParseInt(digits, 16, 64)
	if err != nil || size < 0 {
		return fmt.Errorf("%w: size of a chunk", errChunk)
	}
	if size == 0 {
		if _, err := io.Copy(io.Discard, io.LimitReader(c.in, 16<<10)); err != nil { // trailers
			return err
		}
		return io.EOF
	}
	c.left, c.more = size, true
	return nil
}

func (c *chunks) line() (string, error) {
	text, err := c.in.ReadSlice('\n')
	if err != nil {
		return "", errors.Join(errChunk, io.ErrUnexpectedEOF)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}
