package envelope

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestPrivateKeysPrintNothing(t *testing.T) {
	t.Parallel()
	key, sign := goldenKey(t), newSigningKey(t)
	for _, v := range []any{key, *key, sign, &sign} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T %[1]v"} {
			if got := fmt.Sprintf(verb, v); !strings.HasSuffix(got, redactedText) {
				t.Errorf("%s of %T prints %.40s", verb, v, got)
			}
		}
		if got := must(json.Marshal(v))(t); string(got) != `"[redacted]"` {
			t.Errorf("JSON of %T is %.40s", v, got)
		}
		var text, doc bytes.Buffer
		slog.New(slog.NewTextHandler(&text, nil)).Info("x", "key", v)
		slog.New(slog.NewJSONHandler(&doc, nil)).Info("x", "key", v)
		if !strings.HasSuffix(text.String(), "key=[redacted]\n") || !strings.HasSuffix(doc.String(), `"key":"[redacted]"}`+"\n") {
			t.Errorf("slog of %T writes %s and %s", v, text.String(), doc.String())
		}
	}
	wrapped := fmt.Sprintf("%v %+v", struct{ Key *PrivateKey }{key}, []SigningKey{sign})
	if !strings.Contains(wrapped, redactedText) || strings.ContainsAny(wrapped, "0123456789") && !strings.Contains(wrapped, "0x") {
		t.Errorf("in other values: %s", wrapped)
	}
}
