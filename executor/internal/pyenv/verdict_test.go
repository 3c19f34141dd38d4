package pyenv

import (
	"errors"
	"strings"
	"testing"
)

// What uv 0.13.9 said, and older ones in its stead with "×".
func TestVerdictTellsTheExperimentersFaultFromOurs(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		code    int
		said    string
		culprit string // none: an infrastructure error, unless permanent
		user    bool
	}{
		"no such package":    {1, "error: No solution found when resolving dependencies\n  cause: Because no-such was not found in the package registry and you require no-such, we can conclude that your requirements are unsatisfiable.\n", "no-such>=1", true},
		"no such version":    {1, "error: No solution found when resolving dependencies\n  cause: Because there is no version of six==99.1 and you require six==99.1, we can conclude\n", "six==99.1", true},
		"an older uv":        {1, "  × No solution found when resolving dependencies:\n  ╰─▶ Because there is no version of six==99.1\n", "six==99.1", true},
		"conflict":           {1, "error: No solution found when resolving dependencies\n  cause: Because you require idna==3.4 and idna<2, we can\n", "idna", true},
		"cannot parse":       {2, "error: Failed to parse: `six====`\n  cause: no such comparison operator\n", "six==99.1", true},
		"wheel is not there": {2, "error: Failed to download `six @ https://host/six.whl`\n  cause: HTTP status client error (404 Not Found) for url (https://host/six.whl)\n", "six==99.1", true},
		"foreign code":       {1, "error: Failed to build `idna==0.1`\n  cause: The build backend returned an error\n\n         [stderr]\n         socket.timeout: timed out\n", "idna", true},
		"nobody named":       {1, "error: Something else\n", "", true},
		"refused":            {2, "error: Failed to fetch: https://index/simple/six/\n  cause: tcp connect error\n  cause: Connection refused (os error 111)\n", "", false},
		"DNS":                {2, "error: Failed to fetch: https://index/simple/six/\n  cause: dns error\n  cause: failed to lookup address information: Name or service not known\n", "", false},
		"git without DNS":    {1, "error: Failed to download and build `six @ git+https://host/six`\n  cause: Git operation failed\n         --- stderr\n         fatal: unable to access 'https://host/six/': Could not resolve host: host\n", "", false},
		"index is ill":       {2, "error: Failed to fetch: http://index/six/\n  cause: HTTP status server error (500 Internal Server Error) for url (http://index/six/)\n", "", false},
		"slow":               {2, "error: Failed to fetch: http://index/six/\n  cause: operation timed out\n", "", false},
		"disk full":          {1, "error: Failed to build `idna==0.1`\n         OSError: [Errno 28] No space left on device\n", "", false},
		"nothing said":       {2, "", "", false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := job{python: Interpreter{Version: "3.11.2"}, requirements: []string{"idna", "no-such>=1", "six==99.1", "https://host/other.whl"}}
			err := verdict(tc.code, strings.Split(tc.said, "\n"), j)
			var unmet *RequirementsError
			if errors.As(err, &unmet) != tc.user || errors.Is(err, errUV) == tc.user {
				t.Fatalf("verdict = %v", err)
			}
			if tc.user && unmet.Requirement != tc.culprit {
				t.Errorf("culprit %q, want %q", unmet.Requirement, tc.culprit)
			}
		})
	}
}

func TestVerdictIsBounded(t *testing.T) {
	t.Parallel()
	said := newJournal(nil)
	for range 1000 {
		_, _ = said.Write([]byte(strings.Repeat("é", 10000) + "\n"))
	}
	_, _ = said.Write([]byte("error: No solution found\n" + strings.Repeat("  cause: é\n", 1000)))
	err := verdict(1, said.lines, job{requirements: []string{"six"}})
	if n := len(err.Error()); n > 5000 || n < 1000 {
		t.Errorf("an error of %d bytes", n)
	}
}
