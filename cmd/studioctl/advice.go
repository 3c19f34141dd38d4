package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"

	"google.golang.org/api/googleapi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// advise ends the errors of services with what to do next, as our own end already.
func advise(err error) string {
	step := nextStep(err)
	if step == "" {
		return err.Error()
	}
	return fmt.Sprintf("%v\nNext: %s", err, step)
}

func nextStep(err error) string {
	var answer *googleapi.Error
	var network *net.OpError
	var name *net.DNSError
	switch {
	case errors.As(err, &answer):
		return nextForHTTP(answer.Code)
	case errors.Is(err, syscall.ECONNREFUSED), errors.As(err, &network), errors.As(err, &name):
		return "see with `studioctl context show` whether the address is right; start `studioctl local` again if it is the local cloud's, and else ask whether the service is up and reachable from here."
	case errors.Is(err, context.DeadlineExceeded):
		return "try again; if it is slow again, see with `studioctl context show` whether the addresses are right."
	}
	if s, ok := status.FromError(errors.Unwrap(err)); ok {
		return nextForGRPC(s.Code())
	}
	return ""
}

func nextForHTTP(code int) string {
	switch code {
	case http.StatusUnauthorized:
		return "sign in: gcloud auth application-default login"
	case http.StatusForbidden:
		return "sign in as somebody who may (gcloud auth application-default login), or ask the bucket's owner for roles/storage.objectUser there."
	case http.StatusNotFound:
		return "see with `studioctl context show` whether the buckets' names are right."
	default:
		return "try again; the service did not do it."
	}
}

func nextForGRPC(code codes.Code) string {
	switch code {
	case codes.PermissionDenied, codes.Unauthenticated:
		return "sign in as somebody who may (gcloud auth application-default login), or ask the project's owner for roles/pubsub.editor on the topic."
	case codes.NotFound:
		return "see with `studioctl context show` whether the project and the events topic are right."
	case codes.Unavailable, codes.DeadlineExceeded:
		return "try again; Pub/Sub did not answer."
	default:
		return ""
	}
}
