//go:build gpu

package device

import (
	"strings"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

func TestRealCardsAreListedAndWell(t *testing.T) {
	t.Parallel()
	i := open(t, nvml.New())
	if len(i.Devices()) == 0 {
		t.Fatal("no GPU is there: this test needs one")
	}
	for _, d := range i.Devices() {
		if !strings.HasPrefix(d.UUID, "GPU-") && !strings.HasPrefix(d.UUID, "MIG-") || d.Name == "" || d.Memory < 1<<30 {
			t.Errorf("device %+v", d)
		}
	}
	if faults := i.Check(t.Context()); len(faults) > 0 {
		t.Errorf("faults %v", faults)
	}
}
