package request

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/dustin/go-humanize"
)

// Resources is what an experiment asks for. Zero means that it was not asked.
type Resources struct {
	CPUs     int
	GPUs     int   // throughput slots, not cards
	GPUCount int   // cards
	GPUMem   int64 // bytes on each card
	RAM      int64 // bytes
	HDD      int64 // bytes
}

// ParseResources reads a resources_needed object, of a request or of an envelope's header. Nothing and null ask for
// nothing. Its errors match [ErrMalformed].
func ParseResources(raw json.RawMessage) (Resources, error) {
	if len(raw) > 0 && !json.Valid(raw) {
		return Resources{}, fmt.Errorf("%w: resources_needed: not JSON", ErrMalformed)
	}
	found := new(faults)
	holder := fields{members: map[string]json.RawMessage{"resources_needed": bytes.TrimSpace(raw)}, faults: found}
	return parseResources(holder.child("resources_needed")), found.err()
}

func parseResources(o fields) Resources {
	return Resources{
		CPUs:     o.count("cpus"),
		GPUs:     o.count("gpus"),
		GPUCount: o.count("gpuCount"),
		GPUMem:   o.size("gpuMem"),
		RAM:      o.size("ram"),
		HDD:      o.size("hdd"),
	}
}

var errSize = errors.New("not a size such as 4gb or 512mib")

// ParseSize reads a number of bytes: "2gb" and "2g" are 2e9, "2gib" is 2<<30, in any case.
func ParseSize(text string) (int64, error) {
	// ParseBytes drops commas, so that the continental "1,5gb" would become 15 GB.
	if strings.Contains(text, ",") {
		return 0, errSize
	}
	n, err := humanize.ParseBytes(strings.TrimSpace(text))
	if err != nil || n > math.MaxInt64 {
		return 0, errSize
	}
	return int64(n), nil
}
