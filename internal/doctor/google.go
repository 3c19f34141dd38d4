package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
	transport "google.golang.org/api/transport/http"
	"google.golang.org/grpc/codes"
)

// address is where a service of Google's has its API.
func (d Deployment) address(service string) string {
	if d.Google != "" {
		return d.Google + "/" + service
	}
	return "https://" + service + ".googleapis.com"
}

func (d Deployment) api(service string) []option.ClientOption {
	opts := []option.ClientOption{option.WithEndpoint(d.address(service))}
	if d.Google != "" {
		opts = append(opts, option.WithoutAuthentication())
	}
	return opts
}

// get reads one answer of a service's REST API.
func (d Deployment) get(ctx context.Context, service, path string, query url.Values, into any) error {
	return d.ask(ctx, http.MethodGet, service, path+"?"+query.Encode(), into)
}

// post asks what the REST API takes for an order, and changes nothing.
func (d Deployment) post(ctx context.Context, service, path string, into any) error {
	return d.ask(ctx, http.MethodPost, service, path, into)
}

func (d Deployment) ask(ctx context.Context, method, service, path string, into any) error {
	opts := append(d.api(service), option.WithScopes("https://www.googleapis.com/auth/cloud-platform"))
	c, _, err := transport.NewClient(ctx, opts...)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer c.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, method, d.address(service)+path, http.NoBody)
	if err != nil {
		return err
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // nothing depends on it
	if err := googleapi.CheckResponse(res); err != nil {
		return err
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 8<<20)).Decode(into); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

// codeOfHTTP is the RPC code that a status stands for, where doctors care.
func codeOfHTTP(status int) codes.Code {
	switch status {
	case http.StatusNotFound:
		return codes.NotFound
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	}
	return codes.Unknown
}
