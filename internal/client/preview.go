package client

import (
	"cmp"
	"context"
	"io"
	"time"
)

// Preview is a submission as it would be sent. Nothing of it is stored or sent.
type Preview struct {
	Body           []byte   // the message
	Inner          []byte   // the request in it, where it is sealed; else nil
	WorkspaceBytes int64    // of the archive
	LeftOut        []string // what the archive would not hold, and why
}

// Preview packs the workspace into nothing and makes the message.
func (d Deployment) Preview(ctx context.Context, s Submission, told Progress) (Preview, error) {
	c := &Client{Deployment: d, Progress: told}
	workspace, size, leftOut, err := c.packWorkspace(ctx, io.Discard, s.Folder)
	if err != nil {
		return Preview{}, err
	}
	now := time.Now()
	experiment, err := s.experiment(d, cmp.Or(s.Key, newKey(now)), workspace, now)
	if err != nil {
		return Preview{}, err
	}
	p := Preview{WorkspaceBytes: size, LeftOut: leftOut}
	if p.Body, err = s.body(experiment, s.config(d)); err != nil || s.Seal == nil {
		return p, err
	}
	s.Seal = nil
	p.Inner, err = s.body(experiment, s.config(d))
	return p, err
}
