package worker

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/metadata"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/reporter"
)

// outputFile is output/output: what the program writes, in order, and what the executor has to say, between whole lines.
// Every line also goes to the metadata document, and, but for the executor's own directives, into reports.
type outputFile struct {
	mu      sync.Mutex
	file    *os.File
	lines   *metadata.Splitter
	reports *reporter.Reporter
	midLine bool
	failed  error
	closed  bool
}

// speaker begins each line of ours, so that nobody takes it for the program's.
const speaker = "studio-cloud-runner: "

func openOutput(dir string, lines *metadata.Splitter, reports *reporter.Reporter) (*outputFile, error) {
	root, err := os.OpenRoot(dir) // an earlier output was fetched into it, and may hold links
	if err != nil {
		return nil, fmt.Errorf("open the output's folder: %w", err)
	}
	f, err := root.OpenFile("output", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err = errors.Join(err, root.Close()); err != nil {
		return nil, fmt.Errorf("open the output: %w", err)
	}
	return &outputFile{file: f, lines: lines, reports: reports}, nil
}

// Write takes the program's output as it comes. Its error, such as a full disk, ends the program.
func (o *outputFile) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, _ = o.reports.Write(p) // never fails
	return o.write(p)
}

func (o *outputFile) write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	o.midLine = p[len(p)-1] != '\n'
	_, _ = o.lines.Write(p) // never fails
	n, err := o.file.Write(p)
	if err != nil {
		o.failed = err
	}
	return n, err
}

// Say writes a sentence of the executor's.
func (o *outputFile) Say(format string, args ...any) {
	text := strings.TrimSpace(fmt.Sprintf(format, args...))
	text = speaker + strings.ReplaceAll(text, "\n", "\n"+speaker)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.line(text)
	_, _ = fmt.Fprintln(o.reports, text) // never fails
}

// directive writes a line of the executor's as it is. It is not reported: states say as much.
func (o *outputFile) directive(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.line(line)
}

// line writes a line that begins and ends as one.
func (o *outputFile) line(text string) {
	if o.midLine {
		text = "\n" + text
		o.reports.EndOutput()
	}
	_, _ = o.write([]byte(text + "\n")) // told by Close
}

// Close ends the last line and reports a write that failed. Closing twice is harmless.
func (o *outputFile) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil
	}
	o.closed = true
	_ = o.lines.Close() // hands over the last line; never fails
	o.reports.EndOutput()
	err := o.file.Close()
	if o.failed != nil {
		err = o.failed
	}
	if err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}
