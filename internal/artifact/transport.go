package artifact

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// newTransport is for the S3 protocol. trusted lifts the ban on the machine's own addresses.
func newTransport(trusted bool) *http.Transport {
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 15 * time.Second}
	if !trusted {
		dialer.Control = refuseOwn
	}
	return &http.Transport{
		DialContext:           dialer.DialContext,
		TLSHandshakeTimeout:   15 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		IdleConnTimeout:       time.Minute,
		MaxIdleConnsPerHost:   8,
		DisableCompression:    true, // objects come as they are stored
	}
}

// refuseOwn is a [net.Dialer.Control]. A request names the host that its artifacts come from, and the executor reaches more
// than an experiment may: services of its own machine and the cloud's metadata server. It looks at what a name resolved
// to, so that no name leads there.
func refuseOwn(_, address string, _ syscall.RawConn) error {
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", address, err)
	}
	ip := addr.Addr().Unmap().WithZone("") // the system ignores a zone where it means nothing
	if ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast() || isMetadataServer(ip) {
		return fmt.Errorf("connect to %s: a request may not name an address of the executor's own machine", ip)
	}
	return nil
}

// isMetadataServer knows the addresses that are not link-local: IPv6 on Google Cloud and on AWS.
func isMetadataServer(ip netip.Addr) bool {
	return ip == netip.MustParseAddr("fd20:ce::254") || ip == netip.MustParseAddr("fd00:ec2::254")
}
