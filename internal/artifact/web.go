package artifact

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// URLs say how far artifacts that are named by URL are fetched. The zero value serves for what everybody on the internet
// reaches.
type URLs struct {
	Networks []netip.Prefix // addresses of the machine itself that are open all the same; for a local cloud
	Roots    *x509.CertPool // authorities that are trusted; nil: the system's
}

const schemeHTTPS = "https"

const (
	maxRedirects = 5
	webTries     = 5
	webPause     = time.Second // before the second try; doubled before each later one
)

// web reads files of web servers: by HTTPS alone, as nobody, and nothing that only the executor's own machine reaches.
type web struct {
	client *http.Client
	stall  time.Duration
	pause  time.Duration
}

func newWeb(u URLs) *web {
	transport := newTransport(true)
	transport.DialContext = (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 15 * time.Second, Control: u.control}).DialContext
	transport.TLSClientConfig = &tls.Config{RootCAs: u.Roots, MinVersion: tls.VersionTLS12}
	transport.ForceAttemptHTTP2 = true
	return &web{client: &http.Client{Transport: transport, CheckRedirect: redirect}, stall: stallLimit, pause: webPause}
}

// control looks at every address that is dialled, so that neither a name nor a redirect leads where a URL may not.
func (u URLs) control(network, address string, c syscall.RawConn) error {
	if addr, err := netip.ParseAddrPort(address); err == nil &&
		slices.ContainsFunc(u.Networks, func(p netip.Prefix) bool { return p.Contains(addr.Addr().Unmap()) }) {
		return nil
	}
	if err := refuseOwn(network, address, c); err != nil {
		return &forbiddenError{err}
	}
	return nil
}

// forbiddenError marks what no retry will allow.
type forbiddenError struct{ error }

// redirect lets no answer lead to plain HTTP, nor tell the next server the signature of the one before.
func redirect(r *http.Request, via []*http.Request) error {
	r.Header.Del("Referer")
	switch {
	case r.URL.Scheme != schemeHTTPS:
		return &forbiddenError{errors.New("the server redirects to an address that is not https")}
	case r.URL.User != nil:
		return &forbiddenError{errors.New("the server redirects to an address with a user or password")}
	case len(via) > maxRedirects:
		return &forbiddenError{fmt.Errorf("the server redirects more than %d times", maxRedirects)}
	}
	return nil
}

func (w *web) Open(ctx context.Context, o Object) (io.ReadCloser, Info, error) {
	ctx, dog := watch(ctx, w.stall)
	answer, err := w.try(ctx, o, dog, nil) //nolint:bodyclose // the reader that is returned closes it
	if err != nil {
		err = webFault(o, cause(ctx, err))
		dog.end(nil)
		return nil, Info{}, err
	}
	dog.disarm()
	modified, _ := http.ParseTime(answer.Header.Get("Last-Modified")) // zero where there is none
	body := answer.Body
	if tag := answer.Header.Get("ETag"); answer.ContentLength > 0 && tag != "" {
		body = &resumed{body: body, size: answer.ContentLength, again: func(offset int64) (io.ReadCloser, error) {
			return w.rest(ctx, o, dog, tag, offset)
		}}
	}
	fault := func(err error) error { return webFault(o, cause(ctx, err)) }
	return &guarded{r: body, dog: dog, cause: fault}, Info{Size: max(answer.ContentLength, 0), Updated: modified}, nil
}

// try asks until there is an answer, or one that no retry changes.
func (w *web) try(ctx context.Context, o Object, dog *watchdog, header http.Header) (*http.Response, error) {
	pause := w.pause
	for n := 1; ; n++ {
		answer, err := w.get(ctx, o, header)
		if err == nil && (answer.StatusCode == http.StatusOK || answer.StatusCode == http.StatusPartialContent && header != nil) {
			return answer, nil
		}
		if err == nil {
			err = errors.Join(&statusError{answer.StatusCode}, answer.Body.Close())
		}
		if n == webTries || lasting(err) || ctx.Err() != nil {
			return nil, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		pause *= 2
		dog.reset()
	}
}

func (w *web) get(ctx context.Context, o Object, header http.Header) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, o.Address.Reveal(), nil)
	if err != nil {
		return nil, err
	}
	r.Header = http.Header{"User-Agent": {"studio-cloud-runner/1"}}
	maps.Copy(r.Header, header)
	return w.client.Do(r)
}

// rest asks for what is left of the file, if it is still the one that tag names, and believes no other part to be that.
func (w *web) rest(ctx context.Context, o Object, dog *watchdog, tag string, offset int64) (io.ReadCloser, error) {
	from := strconv.FormatInt(offset, 10) + "-"
	answer, err := w.try(ctx, o, dog, http.Header{"Range": {"bytes=" + from}, "If-Range": {tag}})
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusPartialContent || !strings.HasPrefix(answer.Header.Get("Content-Range"), "bytes "+from) {
		return nil, errors.Join(errors.New("the server does not go on where the download broke off"), answer.Body.Close())
	}
	return answer.Body, nil
}
