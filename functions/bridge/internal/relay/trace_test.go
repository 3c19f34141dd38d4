package relay

import "testing"

func TestATraceIsKept(t *testing.T) {
	t.Parallel()
	for _, value := range []any{parent, []byte(parent)} {
		if got := traceFrom(map[string]any{"traceparent": value}); got != parent {
			t.Errorf("traceFrom = %s; want %s", got, parent)
		}
	}
}

func TestAMessageWithoutATraceBeginsOne(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, headers := range []map[string]any{
		nil, {"traceparent": 7}, {"traceparent": ""}, {"traceparent": parent + "\n"}, {"traceparent": parent + "-x"},
		{"traceparent": "00-00000000000000000000000000000000-00f067aa0ba902b7-01"},
		{"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"},
	} {
		got := traceFrom(headers)
		if !traceParent.MatchString(got) || seen[got] || got == headers["traceparent"] {
			t.Errorf("traceFrom(%v) = %q", headers, got)
		}
		seen[got] = true
	}
}
