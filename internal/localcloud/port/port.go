// Package port finds free TCP ports on loopback for servers that cannot be given a listener.
//
// The ports lie below the range from which Linux and macOS take the local ends of outgoing connections (32768 and up), so that a
// server which is stopped and started again finds its port still free. Nothing holds a port between the finding and the
// use: a server that loses the race fails to start, and its starter asks again.
package port

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

const (
	lowest  = 12000
	highest = 32767
	tries   = 200
)

// Free returns a port that nothing on loopback listens on.
func Free() (int, error) { return find(0) }

// Pair returns a port such that it and the port at the given distance above it are free.
func Pair(distance int) (int, error) { return find(distance) }

func find(distance int) (int, error) {
	for range tries {
		port := lowest + rand.IntN(highest-distance-lowest) //nolint:gosec // spreads concurrent starts; guards nothing
		if free(port) && (distance == 0 || free(port+distance)) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("find a free port in %d-%d: none in %d tries", lowest, highest, tries)
}

func free(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))) //nolint:noctx // does not wait
	if err != nil {
		return false
	}
	return l.Close() == nil
}
