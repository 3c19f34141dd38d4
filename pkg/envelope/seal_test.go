package envelope

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestNewMakesWhatParseVerifyAndOpenTake(t *testing.T) {
	t.Parallel()
	key, sign := goldenKey(t), newSigningKey(t)
	h := Header{
		Status:    "waiting",
		PythonVer: json.RawMessage(`"3.9"`),
		TimeAdded: 1530054413.13,
		Lifetime:  "30m",
		Resources: json.RawMessage(`{"cpus":1}`),
	}
	body := must(New(h, []byte(`{"a":1}`), key.Public(), sign))(t)
	m := must(Parse(body))(t)
	if !Detect(body) || !reflect.DeepEqual(m.Header, h) {
		t.Errorf("Header = %+v, want %+v", m.Header, h)
	}
	if err := m.Verify(sign.Public()); err != nil {
		t.Error(err)
	}
	if inner, err := m.Open(key); err != nil || string(inner) != `{"a":1}` {
		t.Errorf("Open = %s, %v", inner, err)
	}
}

func TestNewWritesTheMembersOfTheWireFormat(t *testing.T) {
	t.Parallel()
	body := string(must(New(Header{Status: "waiting"}, nil, goldenKey(t).Public(), newSigningKey(t)))(t))
	want := `{"message":{"experiment":{"status":"waiting","pythonver":null},"time_added":0,"experiment_lifetime":null,` +
		`"resources_needed":null,"payload":"`
	if !strings.HasPrefix(body, want) || !strings.Contains(body, `","fingerprint":"SHA256:`) || !strings.Contains(body, `","signature":"`) {
		t.Errorf("New = %s", body)
	}
}

func TestAZeroSigningKeyLeavesTheEnvelopeUnsigned(t *testing.T) {
	t.Parallel()
	m := must(Parse(must(New(Header{}, nil, goldenKey(t).Public(), SigningKey{}))(t)))(t)
	if m.Signature != "" || m.Fingerprint != "" {
		t.Errorf("%+v", m)
	}
}

func TestNewRefusesWhatItCannotWrite(t *testing.T) {
	t.Parallel()
	if _, err := New(Header{Resources: json.RawMessage("{")}, nil, goldenKey(t).Public(), SigningKey{}); err == nil {
		t.Error("resources that are not JSON were written")
	}
	if _, err := New(Header{}, nil, nil, SigningKey{}); err == nil {
		t.Error("sealed without a key")
	}
	if _, err := Seal(nil, new(PublicKey)); err == nil {
		t.Error("sealed with a zero key")
	}
}

func TestEverySealIsNew(t *testing.T) {
	t.Parallel()
	to := goldenKey(t).Public()
	a, b := must(Seal([]byte("x"), to))(t), must(Seal([]byte("x"), to))(t)
	if a[:20] == b[:20] || a[len(a)-20:] == b[len(b)-20:] {
		t.Error("two seals of one text are alike")
	}
}
