// Package images checks the Dockerfiles, and what they build as far as a chroot shows it.
package images

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	digest "github.com/opencontainers/go-digest"
)

// bases stands in for registries and notes what is asked of them.
type bases struct{ asked []string }

func (b *bases) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	b.asked = append(b.asked, ref)
	return ref, digest.FromString(ref), []byte(`{"architecture":"amd64","os":"linux","config":{}}`), nil
}

// Lint is `docker build --check`, and refuses images that no ARG at the top names: a misspelt stage is such a one.
func Lint(ctx context.Context, name string, text []byte) error {
	asked, source := &bases{}, llb.NewSourceMap(nil, name, "Dockerfile", text)
	source.Definition = &llb.Definition{}
	results, err := dockerfile2llb.DockerfileLint(ctx, text, dockerfile2llb.ConvertOpt{
		Config: dockerui.Config{}, MetaResolver: asked, SourceMap: source,
	})
	if err != nil {
		return fmt.Errorf("lint %s: %w", name, err)
	}
	var faults error
	if results.Error != nil {
		faults = fmt.Errorf("%s: %s", name, results.Error.Message)
	}
	for _, w := range results.Warnings {
		faults = errors.Join(faults, fmt.Errorf("%s: %s: %s", name, w.RuleName, w.Detail))
	}
	for _, ref := range asked.asked {
		if !strings.Contains(string(text), "="+strings.TrimPrefix(ref, "docker.io/library/")) && !strings.Contains(string(text), "="+ref) {
			faults = errors.Join(faults, fmt.Errorf("%s: there is no stage or base %s", name, ref))
		}
	}
	return errors.Join(faults, pins(name, string(text)))
}

var (
	base   = regexp.MustCompile(`(?m)^ARG ([A-Z]+)=([^ "\n]*/[^ "\n]*)$`)
	from   = regexp.MustCompile(`(?m)^FROM (.*?)( AS .*)?$`)
	pinned = regexp.MustCompile(`^[a-z0-9./-]+:[A-Za-z0-9_.-]+@sha256:[0-9a-f]{64}$`)
)

// pins checks that each base is an ARG where scripts/pin-images finds it, with a version and a digest.
func pins(name, text string) (faults error) {
	known := map[string]bool{}
	for _, m := range base.FindAllStringSubmatch(text, -1) {
		known["${"+m[1]+"}"] = true
		if !pinned.MatchString(m[2]) || strings.Contains(m[2], ":latest") {
			faults = errors.Join(faults, fmt.Errorf("%s: %s is %s: name a version, and let `make pin-images` write its digest", name, m[1], m[2]))
		}
	}
	for _, m := range from.FindAllStringSubmatch(text, -1) {
		if !known[m[1]] {
			faults = errors.Join(faults, fmt.Errorf("%s: FROM %s is no ARG at the top, so that nothing pins it", name, m[1]))
		}
	}
	return faults
}
