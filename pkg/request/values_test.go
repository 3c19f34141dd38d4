package request

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestUnquoteIsPythonsShlexSplit(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/shlex.json") // written by Python 3.11's shlex.quote and shlex.split
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct{ Quoted, Want string }
	if err := json.Unmarshal(data, &rows); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if got := unquote(row.Quoted); got != row.Want {
			t.Errorf("unquote(%s) = %q, want %q", row.Quoted, got, row.Want)
		}
	}
}

func TestUnquoteKeepsWhatNoShellWouldTake(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"it's":       "it's",
		`say "hello`: `say "hello`,
		`C:\`:        `C:\`,
		`a\b' c`:     `a\b' c`,
		"two words":  "two words",
		"":           "",
	} {
		if got := unquote(text); got != want {
			t.Errorf("unquote(%s) = %q, want %q", text, got, want)
		}
	}
}

var unsafeInShell = regexp.MustCompile(`[^\w@%+=:,./-]`)

// shlexQuote is Python's shlex.quote.
func shlexQuote(s string) string {
	if s != "" && !unsafeInShell.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'"
}

func FuzzUnquoteReturnsWhatWasQuoted(f *testing.F) {
	for _, s := range []string{"", "a'b", "'", "naïve 日本", "\x00\xff", `\"'$`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := unquote(shlexQuote(s)); got != s {
			t.Errorf("unquote(quote(%q)) = %q", s, got)
		}
	})
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"2gb": 2e9, "2GB": 2e9, "2 gb": 2e9, "2gib": 2 << 30, "3g": 3e9, "10G": 10e9, "0": 0, "512": 512, "512mib": 512 << 20,
		"1.5gb": 15e8, " 4tb ": 4e12, "9223372036854775807": 1<<63 - 1,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "gb", "-1gb", "1,5gb", "2 apples", "9223372036854775808", "99eb", "1e3", "٣gb"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d", text, got)
		}
	}
}

func TestNamesThatMayBecomePaths(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"1530054413_6b1f9e0c-1d", "_metrics", "_mine", "a b", "naïve", "a.b", strings.Repeat("k", 255)} {
		if err := ValidKey(name); err != nil {
			t.Errorf("ValidKey(%q) = %v", name, err)
		}
	}
	for what, name := range map[string]string{
		"empty": "", "dot": ".", "dot-dot": "..", "inner dot-dot": "a..b", "slash": "a/b", "backslash": `a\b`, "hidden": ".a",
		"option": "-a", "line break": "a\nb", "zero byte": "a\x00", "direction mark": "a\u202eb", "no UTF-8": "a\xff",
		"long": strings.Repeat("k", 256),
	} {
		if ValidKey(name) == nil || ValidLabel(name) == nil {
			t.Errorf("%s: %q is accepted", what, name)
		}
	}
}

func TestExpandEnvKnowsOnlyTheAllowList(t *testing.T) {
	t.Parallel()
	got := ExpandEnv(map[string]string{
		"PATH":   "/opt/bin:%PATH%",
		"TOKEN":  "[%AMQP_URL%]",
		"TWICE":  "%PATH%%PATH%",
		"NESTED": "%HOME%",
		"RATE":   "100%",
		"GAP":    "5 % 3 % 2",
	}, map[string]string{"PATH": "/bin", "HOME": "%PATH%"})
	for name, want := range map[string]string{
		"PATH": "/opt/bin:/bin", "TOKEN": "[]", "TWICE": "/bin/bin", "NESTED": "%PATH%", "RATE": "100%", "GAP": "5 % 3 % 2",
	} {
		if got[name] != want {
			t.Errorf("%s = %q, want %q", name, got[name], want)
		}
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	script := Experiment{Filename: "train.py", Args: []string{"a b"}}
	if got := strings.Join(script.Command("py"), "|"); got != "py|train.py|a b" {
		t.Errorf("script: %s", got)
	}
	module := Experiment{Filename: "-m", Args: []string{"pkg.mod", "--x"}}
	if got := strings.Join(module.Command("py"), "|"); got != "py|-m|pkg.mod|--x" {
		t.Errorf("module: %s", got)
	}
}
