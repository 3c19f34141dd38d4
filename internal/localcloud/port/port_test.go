package port_test

import (
	"net"
	"strconv"
	"testing"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/port"
)

func TestPairGivesTwoPortsThatCanBeListenedOn(t *testing.T) {
	t.Parallel()
	first, err := port.Pair(10000)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []int{first, first + 10000} {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:"+strconv.Itoa(p))
		if err != nil {
			t.Fatalf("port %d is not free: %v", p, err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}
