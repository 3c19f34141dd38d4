package pool

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

// poolName keeps a pool's name usable as a part of topics, deployments and labels.
var poolName = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$`)

// most bounds counts, so that their products cannot overflow.
const most = 1 << 16

type poolJSON struct {
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	GPUs     int    `json:"gpus"`
	GPUSlots *int   `json:"gpu_slots"`
	GPUMem   size   `json:"gpu_mem"`
	CPUs     int    `json:"cpus"`
	RAM      size   `json:"ram"`
	HDD      size   `json:"hdd"`
}

// size is a number of bytes, or text such as "16gb".
type size struct {
	bytes int64
	bad   bool
}

// UnmarshalJSON notes a fault rather than returning it, so that the faults beside it are found too.
func (s *size) UnmarshalJSON(data []byte) error {
	text := string(data)
	if data[0] == '"' {
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
	}
	n, err := request.ParseSize(text)
	s.bytes, s.bad = n, err != nil
	return nil
}

// Load reads the list from JSON text or, if text begins with no bracket, from the file that it names.
func Load(jsonOrFile string) (List, error) {
	if strings.HasPrefix(strings.TrimSpace(jsonOrFile), "[") {
		return Parse(jsonOrFile)
	}
	data, err := os.ReadFile(jsonOrFile) //nolint:gosec // the cluster owner names the file
	if err != nil {
		return nil, fmt.Errorf("read pools: %w", err)
	}
	return Parse(string(data))
}

// Parse reads the list from JSON, naming every fault at once by its field. gpu_slots is 1 when unset.
func Parse(text string) (List, error) {
	var entries []json.RawMessage
	if err := json.Unmarshal([]byte(text), &entries); err != nil {
		return nil, fmt.Errorf("parse pools: not a JSON list: %w", err)
	}
	if len(entries) == 0 {
		return nil, errors.New("parse pools: the list is empty")
	}
	var faults []error
	list, seen := make(List, 0, len(entries)), map[string]int{}
	for i, raw := range entries {
		fault := func(format string, args ...any) {
			faults = append(faults, fmt.Errorf("pools[%d]"+format, append([]any{i}, args...)...))
		}
		p := parsePool(raw, fault)
		if first, twice := seen[p.Name]; twice && p.Name != "" {
			fault(".name: %q is pools[%d]'s already", p.Name, first)
		} else {
			seen[p.Name] = i
		}
		list = append(list, p)
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("parse pools: %w", errors.Join(faults...))
	}
	return list, nil
}

func parsePool(raw json.RawMessage, fault func(format string, args ...any)) Pool {
	var j poolJSON
	if err := json.Unmarshal(raw, &j); err != nil {
		fault(": %w", err)
	}
	p := Pool{
		Name: j.Name, Kind: j.Kind, GPUs: j.GPUs, GPUMem: j.GPUMem.bytes, CPUs: j.CPUs, RAM: j.RAM.bytes, HDD: j.HDD.bytes,
	}
	if p.GPUs > 0 {
		p.GPUSlots = 1
		if j.GPUSlots != nil {
			p.GPUSlots = *j.GPUSlots
		}
	}
	p.check(j, fault)
	return p
}

func (p Pool) check(j poolJSON, fault func(format string, args ...any)) {
	if !poolName.MatchString(p.Name) {
		fault(".name: %q must be 1 to 40 of a-z, 0-9 and -, begin with a letter and not end with -", p.Name)
	}
	if p.Kind != KindGKE && p.Kind != KindRunJob {
		fault(".kind: %q must be %s or %s", p.Kind, KindGKE, KindRunJob)
	}
	if p.GPUs < 0 || p.GPUs > most {
		fault(".gpus: %d must be 0 to %d", p.GPUs, most)
	}
	if p.GPUs > 0 && (p.GPUSlots < 1 || p.GPUSlots > most) {
		fault(".gpu_slots: %d must be 1 to %d in a pool with gpus", p.GPUSlots, most)
	}
	if p.CPUs < 1 || p.CPUs > most {
		fault(".cpus: %d must be 1 to %d", p.CPUs, most)
	}
	checkSize(".gpu_mem", j.GPUMem, p.GPUs > 0, fault)
	checkSize(".ram", j.RAM, true, fault)
	checkSize(".hdd", j.HDD, true, fault)
}

func checkSize(name string, s size, needed bool, fault func(format string, args ...any)) {
	switch {
	case s.bad:
		fault("%s: must be a size such as 16gb", name)
	case needed && s.bytes == 0:
		fault("%s: missing", name)
	}
}
