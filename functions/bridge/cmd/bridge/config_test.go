package main

import (
	"testing"

	"github.com/sethvargo/go-envconfig"
)

func TestHowTheProgramIsCalled(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		env  map[string]string
		want config
		ill  string
	}{
		"nothing is said":            {env: map[string]string{}, want: config{Port: "8080"}},
		"a function is called":       {env: map[string]string{"FUNCTION_TARGET": "Report", "HOST": "127.0.0.1", "PORT": "1"}, want: config{Host: "127.0.0.1", Port: "1"}},
		"a worker is not":            {env: map[string]string{"RELAY_WORKER": "true"}, want: config{Port: "8080", Worker: true}},
		"a worker that is named":     {env: map[string]string{"RELAY_WORKER": "true", "FUNCTION_TARGET": "Relay"}, want: config{Port: "8080", Worker: true}},
		"a worker that is empty":     {env: map[string]string{"RELAY_WORKER": ""}, want: config{Port: "8080"}},
		"a worker that is perhaps":   {env: map[string]string{"RELAY_WORKER": "perhaps"}, ill: `RELAY_WORKER is "perhaps"; it should be true or false`},
		"a worker that only reports": {env: map[string]string{"RELAY_WORKER": "1", "FUNCTION_TARGET": "Report"}, ill: "RELAY_WORKER is true and FUNCTION_TARGET is not Relay: only Relay can work without being called; leave one of them out"},
	} {
		got, err := loadConfig(t.Context(), envconfig.MapLookuper(tc.env))
		if (err == nil) != (tc.ill == "") || err != nil && err.Error() != tc.ill {
			t.Errorf("%s: error %v; want %q", name, err, tc.ill)
		}
		if got != tc.want {
			t.Errorf("%s: %+v; want %+v", name, got, tc.want)
		}
	}
}
