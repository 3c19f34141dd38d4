package message

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// Stages that write dead letters, as attribute `stage` names them.
const (
	Bridge   = "bridge"
	Executor = "executor"
)

// MaxData is how many bytes of data fit into one Pub/Sub message: its limit of 10 MB less what twelve attributes of the
// greatest size, the topic's name and the framing take.
const MaxData = 10_000_000 - 32<<10

// DeadLetter is a request that no retry can help, kept so that people can see why and send it again.
type DeadLetter struct {
	Relayed
	Reason string // constant word
	Detail string // sentence without secrets; cut to 1,024 bytes
	Stage  string // Bridge or Executor

	// Part counts from 1 to Parts where the data is one part of a request that Pub/Sub could not take whole; both are 0
	// otherwise. MessageID is always that of the whole.
	Part, Parts int
}

// Attributes returns the attributes of the request and, beside them, reason, detail and stage: published again with
// them, the dead letter is the request.
func (d DeadLetter) Attributes() map[string]string {
	attributes := d.Relayed.Attributes()
	put(attributes, "reason", d.Reason)
	put(attributes, "detail", d.Detail)
	put(attributes, "stage", d.Stage)
	if d.Parts > 0 {
		attributes["part"], attributes["parts"] = strconv.Itoa(d.Part), strconv.Itoa(d.Parts)
	}
	return attributes
}

// DeadLetterFrom reads what [DeadLetter.Attributes] wrote. Its errors wrap [ErrInvalid].
func DeadLetterFrom(attributes map[string]string, data []byte) (DeadLetter, error) {
	r, err := read(attributes, data)
	if err != nil {
		return DeadLetter{}, err
	}
	d := DeadLetter{Relayed: r, Reason: attributes["reason"], Detail: attributes["detail"], Stage: attributes["stage"]}
	if attributes["parts"] == "" {
		return d, nil
	}
	part, partErr := strconv.Atoi(attributes["part"])
	parts, partsErr := strconv.Atoi(attributes["parts"])
	if err := errors.Join(partErr, partsErr); err != nil || part < 1 || part > parts {
		return DeadLetter{}, fmt.Errorf("%w: part %q of %q", ErrInvalid, attributes["part"], attributes["parts"])
	}
	d.Part, d.Parts = part, parts
	return d, nil
}

// split returns d as it is where Pub/Sub takes it whole, and else its parts of at most limit bytes each.
func (d DeadLetter) split(limit int) []DeadLetter {
	if d.MessageID == "" {
		d.MessageID = ID(d.Data)
	}
	if len(d.Data) <= limit {
		return []DeadLetter{d}
	}
	var parts []DeadLetter
	for chunk := range slices.Chunk(d.Data, limit) {
		part := d
		part.Data, part.Part = chunk, len(parts)+1
		parts = append(parts, part)
	}
	for i := range parts {
		parts[i].Parts = len(parts)
	}
	return parts
}

// Join returns the dead letter whose parts these are, in any order and with repetitions; it refuses, with [ErrInvalid],
// parts of which one is absent or foreign. A dead letter that came whole is returned as it is.
func Join(parts ...DeadLetter) (DeadLetter, error) {
	if len(parts) == 0 {
		return DeadLetter{}, fmt.Errorf("%w: no parts", ErrInvalid)
	}
	whole := parts[0]
	byNumber := make(map[int][]byte, len(parts))
	for _, part := range parts {
		byNumber[part.Part] = part.Data
	}
	if whole.Parts > 0 {
		whole.Data = nil
		for n := 1; n <= whole.Parts; n++ {
			data, ok := byNumber[n]
			if !ok {
				return DeadLetter{}, fmt.Errorf("%w: part %d of %d is absent", ErrInvalid, n, whole.Parts)
			}
			whole.Data = append(whole.Data, data...)
		}
	}
	if ID(whole.Data) != whole.MessageID {
		return DeadLetter{}, fmt.Errorf("%w: the data is not what message_id names", ErrInvalid)
	}
	whole.Part, whole.Parts = 0, 0
	return whole, nil
}
