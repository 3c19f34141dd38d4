package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/api/googleapi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestErrorsOfServicesEndWithTheNextStep(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err  error
		says string
	}{
		"not signed in":          {&googleapi.Error{Code: 401}, "gcloud auth application-default login"},
		"not allowed":            {&googleapi.Error{Code: 403}, "roles/storage.objectUser"},
		"no such bucket":         {&googleapi.Error{Code: 404}, "whether the buckets' names are right"},
		"storage is down":        {&googleapi.Error{Code: 503}, "try again"},
		"nobody listens":         {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, "start `studioctl local` again"},
		"no such host":           {&net.DNSError{Name: "nowhere"}, "studioctl context show"},
		"too slow":               {context.DeadlineExceeded, "try again"},
		"no such topic":          {status.Error(codes.NotFound, "topic"), "the events topic"},
		"topic of others":        {status.Error(codes.PermissionDenied, "topic"), "roles/pubsub.editor"},
		"Pub/Sub is away":        {status.Error(codes.Unavailable, "away"), "Pub/Sub did not answer"},
		"our own, which says it": {errors.New("give --store"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := advise(fmt.Errorf("list gs://m/: %w", tc.err))
			if _, step, _ := strings.Cut(got, "\nNext: "); !strings.Contains(step, tc.says) || tc.says == "" && step != "" {
				t.Errorf("advice = %q; want %q in it", got, tc.says)
			}
		})
	}
}
