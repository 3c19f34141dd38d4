package artifact

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
)

// WebError says that a file cannot be had from its web server, whoever asks again. It is permanent.
type WebError struct {
	Object   Object
	Sentence string // what is wrong, and what the experimenter can do
	Err      error
}

func (e *WebError) Error() string { return fmt.Sprintf("fetch %s: %s", e.Object, e.Sentence) }
func (e *WebError) Unwrap() error { return e.Err }

// statusError is an answer other than the file.
type statusError struct{ code int }

func (e *statusError) Error() string {
	return fmt.Sprintf("the server answered %d %s", e.code, http.StatusText(e.code))
}

// lasting tells what a retry does not change.
func lasting(err error) bool {
	var status *statusError
	var forbidden *forbiddenError
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &status):
		return status.code < 500 && !slices.Contains([]int{http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests}, status.code)
	case errors.As(err, &name):
		return name.IsNotFound
	}
	return errors.As(err, &forbidden) || errors.As(err, &certificate)
}

// webFault puts what went wrong into the words of this package. The client's own errors repeat the URL, whose query may
// be secret, so that only what is inside of them is told.
func webFault(o Object, err error) error {
	var status *statusError
	var forbidden *forbiddenError
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err
	}
	fault := &WebError{Object: o, Err: err}
	switch {
	case errors.As(err, &forbidden):
		return refuse(o, "%v: store the file where everybody who runs the experiment reaches it, or capture it from your own disk", forbidden.error)
	case errors.As(err, &status) && (status.code == http.StatusUnauthorized || status.code == http.StatusForbidden):
		fault.Sentence = status.Error() + ": artifacts are fetched without a login; use a signed URL that lasts until the experiment starts, or capture the file from your own disk"
	case lasting(err):
		fault.Sentence = err.Error() + ": check the URL, from outside of your own network"
	default:
		return fmt.Errorf("fetch %s: %w", o, err)
	}
	return fault
}
