// The pages that promise to list everything do.
package docs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestTheGuidesListEverythingThatTheyPromise(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		page, shown string // how the page writes it
		source      string // what defines it; the folder docs itself if empty
		pattern     string
	}{
		"every reason for a refusal":       {"experiments.md", "| `%s` |", "../internal/admission/refusal.go", `Reason += "([a-z_]+)"`},
		"every outcome of an experiment":   {"experiments.md", "| `%s` |", "../internal/preflight/fault.go", `Outcome += "([a-z_]+)"`},
		"every setting of the executor":    {"settings.md", "`%s`", "../executor/config.go", `env:"([A-Z0-9_]+)`},
		"every setting of the bridge":      {"settings.md", "`%s`", "../functions/bridge/internal/relay/config.go", `env:"([A-Z0-9_]+)`},
		"every setting of finalize":        {"settings.md", "`%s`", "../functions/finalize/internal/finalizer/config.go", `env:"([A-Z0-9_]+)`},
		"every event, with its schema":     {"events/README.md", "| `%s` |", "../internal/event/event.go", `Type = "ml\.studio\.experiment\.([a-z]+)\.v1"`},
		"every target of the Makefile":     {"../CONTRIBUTING.md", "make %s", "../Makefile", `(?m)^([a-z0-9-]+):.*## `},
		"every document of the repository": {"../README.md", "(%s)", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page, err := os.ReadFile(tc.page)
			if err != nil {
				t.Fatal(err)
			}
			words := documents
			if tc.source != "" {
				words = func(t *testing.T) []string { t.Helper(); return defined(t, tc.source, tc.pattern) }
			}
			for _, word := range words(t) {
				if shown := fmt.Sprintf(tc.shown, word); !strings.Contains(string(page), shown) {
					t.Errorf("%s has nowhere %q", filepath.Base(tc.page), shown)
				}
			}
		})
	}
}

// defined returns what a source defines.
func defined(t *testing.T, file, pattern string) (words []string) {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(source), -1) {
		words = append(words, m[1])
	}
	if len(words) == 0 {
		t.Fatalf("%s defines nothing that looks like %s", file, pattern)
	}
	return words
}

// documents returns the pages of docs that a reader must find from the README.
func documents(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("*.md")
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	for _, file := range files {
		names = append(names, "docs/"+file)
	}
	return names
}
