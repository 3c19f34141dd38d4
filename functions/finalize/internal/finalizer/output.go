package finalizer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/leaf-ai/studio-cloud-runner/internal/outputtar"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
)

// errForeign is an upload of one experiment under the name of another.
var errForeign = errors.New("output is another experiment's")

// tailSize is how much of the output is searched for directives.
const tailSize = 64 << 10

// read finds out what an output says about the experiment.
func (f *Finalizer) read(ctx context.Context, log *slog.Logger, key string, o Object) (record.Output, error) {
	experiment, out, err := record.ReadMetadata(o.Metadata)
	if err != nil {
		log.Warn("metadata of the output is damaged", "error", err)
	}
	if out.Attempt != "" && experiment != key {
		return out, fmt.Errorf("%w: %q", errForeign, experiment)
	}
	out.Generation, out.Size, out.CRC32C, out.Updated = o.Generation, o.Size, o.CRC32C, o.Updated
	if out.Document, err = f.document(ctx, log, key, o.Bucket, out.Attempt); err != nil {
		return out, err
	}
	if out.Attempt != "" && out.Document != nil {
		return out, nil
	}
	said, err := f.directives(ctx, log, o)
	if err != nil {
		return out, err
	}
	if out.Attempt == "" && said.stopped {
		out.State, out.Reason = record.StateFinal, "Another producer stored the output, which says that the program ended but not how."
	}
	if out.Document == nil {
		out.Document, err = said.document(o)
	}
	return out, err
}

// directives reads those in the tail of the output. An archive without one has none.
func (f *Finalizer) directives(ctx context.Context, log *slog.Logger, o Object) (directives, error) {
	tail, whole, err := f.Objects.Tail(ctx, o, tailSize)
	if errors.Is(err, outputtar.ErrNoOutput) || errors.Is(err, outputtar.ErrNotTar) {
		log.Warn("output cannot be read from its archive", "error", err)
		return directives{}, nil
	}
	if err != nil {
		return directives{}, err
	}
	return readDirectives(tail, whole), nil
}
