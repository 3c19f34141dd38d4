package pyspec

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestRequirementsAreBroughtIntoOneForm(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"numpy":                "numpy",
		" NumPy == 1.26.4 ":    "numpy== 1.26.4",
		"zope.interface>=5,<6": "zope-interface>=5,<6",
		"torch[cuda, x]~=2.1; python_version<'3.12'": "torch[cuda,x]~=2.1; python_version<'3.12'",
		"studioml (>=0.0.49)":                        "studioml(>=0.0.49)",
		"a @ https://host/a-1.0-py3-none-any.whl":    "a @ https://host/a-1.0-py3-none-any.whl",
		"A@git+https://host/a.git@v1#egg=a":          "a @ git+https://host/a.git@v1#egg=a",
		"git+https://host/a.git@v1":                  "git+https://host/a.git@v1",
		"-e git+https://host/a.git@0f3c#egg=a":       "git+https://host/a.git@0f3c#egg=a",
		"--editable=git+https://host/a.git@0f3c":     "git+https://host/a.git@0f3c",
		"https://host/a-1.0-py3-none-any.whl":        "https://host/a-1.0-py3-none-any.whl",
		"numpy # the usual":                          "numpy",
		"# nothing":                                  "",
		"":                                           "",
	} {
		got, err := ParseRequirements([]string{line})
		if err != nil || strings.Join(got, "|") != want {
			t.Errorf("parse %q = %q, %v; want %q", line, got, err, want)
		}
	}
	if got, _ := ParseRequirements([]string{"b", "a", "B"}); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("several: %q", got)
	}
}

func TestRequirementsThatAreNoPackagesAreRefused(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"-r /etc/passwd", "-e .", "-e /a", "-e file:///a", "-e git+ssh://git@host/a", "-e git+https://host/a -r x", "--index-url=https://evil.test", " --pre", "numpy --hash=sha256:00", "numpy -r x",
		"numpy\n--index-url https://evil.test", "numpy\x00", "numpy\r-e .", "numpy\u2028-e .", "numpy \\",
		"file:///etc", "a @ file:///etc", "a @ /etc", "a @ ./a", "a@../a", "/etc", "./a", "../a", "a/b", "~/a", "a.whl", "dir/a.tar.gz", "a.zip",
		"a @ ssh://host/a", "a @ git+ssh://git@host/a", "a @ git+file:///a", "a @ ext::sh -c id", "git+file:///a", "ftp://host/a",
		"a @ https://host/${UV_INDEX_PASSWORD}", "https:///a", "a b", "[x]", "@", "ñandú",
	} {
		_, err := ParseRequirements([]string{"six", line})
		var refused *RequirementsError
		if !errors.As(err, &refused) || refused.Requirement == "" || refused.Reason == "" {
			t.Errorf("parse %q = %v", line, err)
		}
	}
}

func TestRefusalDoesNotTellAPassword(t *testing.T) {
	t.Parallel()
	_, err := ParseRequirements([]string{"a @ git+ssh://me:hunter2@host/a"})
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "host/a") {
		t.Errorf("error %v", err)
	}
}

func FuzzRequirementStaysOneLineAndNoOption(f *testing.F) {
	for _, seed := range []string{"numpy==1", "-e .", "a @ https://h/x #y", "a\n-e .", "a ; b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got, err := parseRequirement(line)
		if err == nil && (strings.HasPrefix(got, "-") || strings.ContainsAny(got, "\n\r\x00$\\") || strings.Contains(got, " -e")) {
			t.Errorf("parse %q = %q", line, got)
		}
	})
}
