package localcloud

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	cpuPool = "local-cpu"
	gpuPool = "local-gpu"
	// unknownRAM stands for a machine that does not tell.
	unknownRAM = 8 << 30
)

// poolsText lists the pools as POOLS has them: this machine, and this machine with a card like a T4.
func poolsText(dir string) (string, error) {
	type pool struct {
		Name     string `json:"name"`
		Kind     string `json:"kind"`
		GPUs     int    `json:"gpus,omitempty"`
		GPUSlots int    `json:"gpu_slots,omitempty"`
		GPUMem   string `json:"gpu_mem,omitempty"`
		CPUs     int    `json:"cpus"`
		RAM      string `json:"ram"`
		HDD      string `json:"hdd"`
	}
	disk, err := freeDisk(dir)
	if err != nil {
		return "", err
	}
	machine := pool{Name: cpuPool, Kind: "gke", CPUs: runtime.NumCPU(), RAM: bytesText(memory()), HDD: bytesText(disk)}
	card := machine
	card.Name, card.GPUs, card.GPUSlots, card.GPUMem = gpuPool, 1, 4, "16gb"
	text, err := json.Marshal([]pool{machine, card})
	if err != nil {
		return "", fmt.Errorf("encode pools: %w", err)
	}
	return string(text), nil
}

func bytesText(n uint64) string { return strconv.FormatUint(n, 10) + "b" }

func freeDisk(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("look for free space in %s: %w", dir, err)
	}
	return s.Bavail * uint64(s.Bsize), nil //nolint:gosec // a block's size is not negative
}

var memTotal = regexp.MustCompile(`MemTotal:\s+(\d+) kB`)

func memory() uint64 {
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return unknownRAM
	}
	found := memTotal.FindSubmatch(info)
	if found == nil {
		return unknownRAM
	}
	kib, err := strconv.ParseUint(string(found[1]), 10, 54)
	if err != nil {
		return unknownRAM
	}
	return kib << 10
}
