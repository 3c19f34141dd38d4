package request

import "regexp"

var reference = regexp.MustCompile(`%([A-Za-z_][A-Za-z0-9_]*)%`)

// ExpandEnv replaces each %NAME% in the values of env by allowed's value, once: what it puts in is not expanded again.
// A name outside allowed becomes nothing, so that a sender cannot read the executor's environment.
func ExpandEnv(env map[string]string, allowed map[string]string) map[string]string {
	expanded := make(map[string]string, len(env))
	for name, value := range env {
		expanded[name] = reference.ReplaceAllStringFunc(value, func(ref string) string {
			return allowed[ref[1:len(ref)-1]]
		})
	}
	return expanded
}
