package envelope

import (
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// zeros is the base64 of n zero bytes.
func zeros(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }

// anyPayload has the form of a payload and nothing else.
var anyPayload = zeros(256) + "," + zeros(100)

func TestDetectFindsAnObjectMessageThatHoldsPayload(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body string
		want bool
	}{
		"an envelope":              {`{"message":{"payload":"x"}}`, true},
		"payload of another type":  {` { "a" : [ {"b":"}\\\""} ] , "message" : { "x" : -1e3 , "payload" : null } } `, true},
		"escaped names":            {`{"mess\u0061ge":{"p\u0061yload":""}}`, true},
		"a request in clear":       {`{"experiment":{"message":{"payload":"x"}},"config":{}}`, false},
		"no payload":               {`{"message":{"signature":"x"}}`, false},
		"payload deeper":           {`{"message":{"inner":{"payload":"x"}}}`, false},
		"names of another case":    {`{"Message":{"PAYLOAD":"x"}}`, false},
		"message is text":          {`{"message":"payload"}`, false},
		"message is an array":      {`{"message":[{"payload":"x"}]}`, false},
		"the last message has not": {`{"message":{"payload":"x"},"message":{}}`, false},
		"an array":                 {`[{"message":{"payload":"x"}}]`, false},
		"cut short":                {`{"message":{"payload":"x"}`, false},
		"not JSON":                 {`message payload`, false},
		"empty":                    {``, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Detect([]byte(tc.body)); got != tc.want {
				t.Errorf("Detect(%s) = %v", tc.body, got)
			}
		})
	}
}

func TestParseReadsTheHeaderOfEverySender(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		members string
		want    Header
	}{
		"nothing but a payload": {"", Header{}},
		"nulls": {`"experiment":null,"time_added":null,"experiment_lifetime":null,"resources_needed":null,
			"fingerprint":null,"signature":null,`, Header{}},
		"nulls in experiment":          {`"experiment":{"status":null,"pythonver":null},`, Header{}},
		"a number for pythonver":       {`"experiment":{"pythonver":3},`, Header{PythonVer: []byte("3")}},
		"the misspelt tag":             {`"experiment":{"pthonver":"3.6"},`, Header{PythonVer: []byte(`"3.6"`)}},
		"both tags":                    {`"experiment":{"pythonver":"3.9","pthonver":"3.6"},`, Header{PythonVer: []byte(`"3.9"`)}},
		"an integer time":              {`"time_added":1530054413,`, Header{TimeAdded: 1530054413}},
		"resources as they were sent":  {`"resources_needed":{"gpuMem":0, "cpus":"1"},`, Header{Resources: []byte(`{"gpuMem":0, "cpus":"1"}`)}},
		"unknown members":              {`"future":{"payload":"x"},"experiment":{"status":"waiting","x":[1]},`, Header{Status: "waiting"}},
		"escapes in text":              {`"experiment_lifetime":"\u0033\u0030m",`, Header{Lifetime: "30m"}},
		"the last of equal names wins": {`"experiment_lifetime":"1m","experiment_lifetime":"2m",`, Header{Lifetime: "2m"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := Parse([]byte(`{"message":{` + tc.members + `"payload":"` + anyPayload + `"}}`))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(m.Header, tc.want) || m.Fingerprint+m.Signature != "" || string(m.payload.text) != anyPayload {
				t.Errorf("Parse = %+v, want header %+v", m, tc.want)
			}
		})
	}
}

func TestParseNamesWhatIsMalformed(t *testing.T) {
	t.Parallel()
	block, box := zeros(256), zeros(100)
	payload := func(p string) string { return fmt.Sprintf(`{"message":{"payload":%q}}`, p) }
	with := func(members string) string { return `{"message":{"payload":"` + anyPayload + `",` + members + `}}` }
	tests := map[string]struct{ body, names string }{
		"empty body":               {"", "JSON"},
		"cut short":                {`{"message":`, "JSON"},
		"cut short in message":     {`{"message":{"payload":"` + anyPayload + `"`, "JSON"},
		"cut short in payload":     {`{"message":{"payload":"AAAA`, "JSON"},
		"a line break in payload":  {"{\"message\":{\"payload\":\"AA\nAA\"}}", "JSON"},
		"brackets that mismatch":   {`{"message":{"payload":"x"]}`, "JSON"},
		"a bad escape elsewhere":   {`{"a":"\x","message":{}}`, "JSON"},
		"a bad number in message":  {with(`"x":01`), "message"},
		"two documents":            {payload(anyPayload) + "{}", "JSON"},
		"an array":                 {`[]`, "JSON object"},
		"no message":               {`{}`, "message"},
		"message is text":          {`{"message":"x"}`, "message"},
		"no payload":               {`{"message":{}}`, "payload"},
		"payload is a number":      {`{"message":{"payload":1}}`, "payload"},
		"payload is an object":     {`{"message":{"payload":{}}}`, "payload"},
		"payload is empty":         {payload(""), "comma"},
		"no comma":                 {payload(block + box), "comma"},
		"three parts":              {payload(block + "," + box + "," + box), "comma"},
		"a trailing comma":         {payload(block + "," + box + ","), "comma"},
		"no part 1":                {payload("," + box), "part 1"},
		"no part 2":                {payload(block + ","), "part 2"},
		"part 1 of one quantum":    {payload("AAAA," + box), "part 1"},
		"part 1 one byte short":    {payload(zeros(127) + "," + box), "part 1"},
		"part 1 unpadded":          {payload(strings.TrimRight(block, "=") + "," + box), "part 1"},
		"part 2 is a nonce":        {payload(block + "," + zeros(24)), "part 2"},
		"part 2 one byte short":    {payload(block + "," + zeros(39)), "part 2"},
		"part 2 of three letters":  {payload(block + ",AAA"), "part 2"},
		"signature is an object":   {with(`"signature":{}`), "signature"},
		"fingerprint is a number":  {with(`"fingerprint":1`), "fingerprint"},
		"experiment is text":       {with(`"experiment":"waiting"`), "experiment"},
		"status is a number":       {with(`"experiment":{"status":1}`), "experiment.status"},
		"lifetime is a number":     {with(`"experiment_lifetime":30`), "experiment_lifetime"},
		"time_added is text":       {with(`"time_added":"1530054413"`), "time_added"},
		"time_added is too large":  {with(`"time_added":1e999`), "time_added"},
		"time_added is an object":  {with(`"time_added":{}`), "time_added"},
		"the last payload is null": {with(`"payload":null`), "comma"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := Parse([]byte(tc.body))
			if m != nil || !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), tc.names) {
				t.Errorf("Parse = %v, %v; want ErrMalformed naming %q", m, err, tc.names)
			}
		})
	}
}

func TestParseAcceptsTheShortestPayload(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{zeros(128) + "," + zeros(40), zeros(129) + "," + zeros(41)} {
		if _, err := Parse([]byte(`{"message":{"payload":"` + payload + `"}}`)); err != nil {
			t.Error(err)
		}
	}
}
