package report

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// MaxJSON is how many bytes the JSON of a report may have. The longest line of JSON that the runner takes from a program's
// output, 1 MiB, fits however it is escaped.
const MaxJSON = 4 << 20

// maxBody is the length of the longest body: the JSON in base64, with the largest RSA block and all that surrounds it.
const maxBody = MaxJSON/3*4 + 8<<10

var (
	// ErrMalformed: not a report, or one that proto3 cannot express, such as text that is not UTF-8.
	ErrMalformed = errors.New("malformed report")
	// ErrTooLarge: more than MaxJSON bytes of JSON.
	ErrTooLarge = errors.New("report too large")
)

// ResponseQueue names the queue to which reports on requests of a queue go, if the experimenter has made it.
func ResponseQueue(queue string) string { return queue + "_response" }

// Seal returns the body of r for the experimenter who has the private part of the key.
func Seal(r *Report, to *envelope.PublicKey) (body string, err error) {
	// Defaults are written too: readers that parse plain JSON would otherwise have to know that no state means Prestart.
	text, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("%w: a text is not UTF-8, or a time is out of range", ErrMalformed) // err would repeat the text
	}
	if len(text) > MaxJSON {
		return "", fmt.Errorf("%w: %d bytes, not at most %d", ErrTooLarge, len(text), MaxJSON)
	}
	if body, err = envelope.Seal(text, to); err != nil {
		return "", fmt.Errorf("seal report: %w", err)
	}
	return body, nil
}

// Open returns the report of a body that [Seal] made, for any of the keys. What a later version of the messages may add is
// left out.
func Open(body []byte, keys ...*envelope.PrivateKey) (*Report, error) {
	if len(body) > maxBody {
		return nil, fmt.Errorf("%w: a body of %d bytes, not at most %d", ErrTooLarge, len(body), maxBody)
	}
	text, err := envelope.Open(string(body), keys...)
	if err != nil {
		return nil, fmt.Errorf("open report: %w", err)
	}
	r := new(Report)
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%w: what was sealed is not its JSON", ErrMalformed)
	}
	return r, nil
}
