package docs_test

import (
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// guides returns the guides by their names in the checkout.
func guides(t *testing.T, root string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	read := func(name string) {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(text)
	}
	read("README.md")
	read("CONTRIBUTING.md")
	read("e2e/README.md")
	err := fs.WalkDir(os.DirFS(root), "docs", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			read(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	dropped = regexp.MustCompile("[^a-z0-9 _-]") // from a heading, for its anchor
)

func TestEveryLinkOfTheGuidesLeadsSomewhere(t *testing.T) {
	t.Parallel()
	all := guides(t, "..")
	for name, text := range all {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			to, err := url.Parse(m[1])
			if err != nil || to.Scheme == "http" {
				t.Errorf("%s: the link %s: %v; links to other places are https", name, m[1], err)
				continue
			}
			if to.Scheme != "" {
				continue
			}
			page := name
			if to.Path != "" {
				page = path.Join(path.Dir(name), to.Path)
			}
			if _, err := os.Stat(filepath.Join("..", page)); err != nil {
				t.Errorf("%s: the link %s: %v", name, m[1], err)
			}
			if to.Fragment != "" && !anchors(all[page])[to.Fragment] {
				t.Errorf("%s: the link %s: %s has no such heading", name, m[1], page)
			}
		}
	}
}

// anchors are what a page's headings can be linked by.
func anchors(text string) map[string]bool {
	names := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		names[strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return names
}
