package process

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// output is the pipe between a program and its Spec.Output.
type output struct {
	out, in *os.File
	to      io.Writer
	stop    context.CancelCauseFunc
	failed  error // the first write that failed
	copied  chan struct{}
}

const (
	// linger is how long finish waits for a silent process that got away and holds the pipe.
	linger = time.Second
	// lastWords bounds what is still read after the program's end: the fullest pipe that Linux lets a user make.
	lastWords = 1 << 20
)

// openOutput begins to copy. A write that fails calls stop.
func openOutput(to io.Writer, stop context.CancelCauseFunc) (*output, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	o := &output{out: out, in: in, to: to, stop: stop, copied: make(chan struct{})}
	go func() {
		defer close(o.copied)
		buf := make([]byte, 64<<10)
		for {
			if _, err := o.pass(buf); err != nil {
				return
			}
		}
	}()
	return o, nil
}

// pass hands on what the pipe holds, or what comes first. Its error is the pipe's.
func (o *output) pass(buf []byte) (int, error) {
	n, err := o.out.Read(buf)
	if n > 0 {
		if _, writeErr := o.to.Write(buf[:n]); writeErr != nil {
			o.failed = fmt.Errorf("write output: %w", writeErr)
			o.stop(o.failed)
			o.to = io.Discard
		}
	}
	return n, err
}

// finish delivers what the pipe still holds, after the program's end, and closes it. It returns the first write's error.
func (o *output) finish() error {
	closeAll(o.in) // harmless if closed already
	_ = o.out.SetReadDeadline(time.Now())
	<-o.copied
	buf := make([]byte, 64<<10)
	for left := lastWords; left > 0; {
		_ = o.out.SetReadDeadline(time.Now().Add(linger))
		n, err := o.pass(buf)
		if err != nil {
			break
		}
		left -= n
	}
	closeAll(o.out)
	return o.failed
}
