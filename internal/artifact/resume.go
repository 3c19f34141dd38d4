package artifact

import (
	"errors"
	"io"
)

// idleResumes is how often in a row a download may be taken up without a byte coming of it.
const idleResumes = 5

// resumed is a download that goes on where it broke off. The S3 client retries a request, but not the body of its answer.
type resumed struct {
	body  io.ReadCloser
	size  int64
	off   int64
	idle  int
	again func(offset int64) (io.ReadCloser, error)
}

func (r *resumed) Read(p []byte) (int, error) {
	for {
		n, err := r.body.Read(p)
		r.off += int64(n)
		if n > 0 {
			r.idle = 0
			return n, nil
		}
		switch {
		case err == nil:
			return 0, nil
		case r.off >= r.size && errors.Is(err, io.EOF):
			return 0, io.EOF
		}
		if err := r.takeUp(err); err != nil {
			return 0, err
		}
	}
}

// takeUp replaces the body, unless that helped nothing too often; it then returns what broke it.
func (r *resumed) takeUp(fault error) error {
	if r.idle++; r.idle > idleResumes {
		if errors.Is(fault, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return fault
	}
	_ = r.body.Close()
	body, err := r.again(r.off)
	if err != nil {
		r.body = io.NopCloser(eofReader{})
		return errors.Join(fault, err)
	}
	r.body = body
	return nil
}

func (r *resumed) Close() error { return r.body.Close() }

// eofReader stands in for a body that is gone.
type eofReader struct{}

func (eofReader) Read([]byte) (int, error) { return 0, io.EOF }
