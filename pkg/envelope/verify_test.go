package envelope

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

func signed(k SigningKey) *Message {
	return &Message{payload: payload{text: []byte(anyPayload)}, Fingerprint: k.Public().Fingerprint(), Signature: k.Sign(anyPayload)}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	key, previous, foreign := newSigningKey(t), newSigningKey(t), newSigningKey(t)
	raw := must(base64.StdEncoding.DecodeString(key.Sign(anyPayload)))(t)
	resign := func(b []byte) func(*Message) {
		return func(m *Message) { m.Signature = base64.StdEncoding.EncodeToString(b) }
	}
	wire := append([]byte(sshSignature), raw...)
	tests := map[string]struct {
		change func(*Message)
		keys   []VerifyKey // both keys if nil
		want   error
	}{
		"good":                             {change: func(*Message) {}},
		"good, by the previous key":        {change: func(m *Message) { *m = *signed(previous) }},
		"good, without a fingerprint":      {change: func(m *Message) { m.Fingerprint = "" }},
		"good, in the SSH wire form":       {change: resign(wire)},
		"no signature":                     {change: func(m *Message) { m.Signature = "" }, want: ErrUnsigned},
		"a key that is not accepted":       {change: func(m *Message) { *m = *signed(foreign) }, want: ErrWrongKey},
		"no key is accepted":               {change: func(*Message) {}, keys: []VerifyKey{}, want: ErrWrongKey},
		"only a zero key is accepted":      {change: func(m *Message) { m.Fingerprint = "" }, keys: make([]VerifyKey, 1), want: ErrWrongKey},
		"a padded fingerprint":             {change: func(m *Message) { m.Fingerprint += "=" }, want: ErrWrongKey},
		"foreign, without a fingerprint":   {change: func(m *Message) { *m = *signed(foreign); m.Fingerprint = "" }, want: ErrBadSignature},
		"foreign, claiming an accepted":    {change: func(m *Message) { m.Signature = foreign.Sign(anyPayload) }, want: ErrBadSignature},
		"the other accepted key's":         {change: func(m *Message) { m.Signature = previous.Sign(anyPayload) }, want: ErrBadSignature},
		"another payload":                  {change: func(m *Message) { m.payload.text = append(m.payload.text, ' ') }, want: ErrBadSignature},
		"not base64":                       {change: func(m *Message) { m.Signature = "!" + m.Signature[1:] }, want: ErrBadSignature},
		"base64 without padding":           {change: func(m *Message) { m.Signature = strings.TrimRight(m.Signature, "=") }, want: ErrBadSignature},
		"base64 with a line break":         {change: func(m *Message) { m.Signature = m.Signature[:40] + "\n" + m.Signature[40:] }, want: ErrBadSignature},
		"one byte":                         {change: resign(raw[:1]), want: ErrBadSignature},
		"one byte short":                   {change: resign(raw[:63]), want: ErrBadSignature},
		"one byte long":                    {change: resign(append(raw[:64:64], 0)), want: ErrBadSignature},
		"SSH wire form, one byte short":    {change: resign(wire[:82]), want: ErrBadSignature},
		"SSH wire form, one byte long":     {change: resign(append(wire[:83:83], 0)), want: ErrBadSignature},
		"SSH wire form with another name":  {change: resign([]byte(strings.Replace(string(wire), "ssh-", "SSH-", 1))), want: ErrBadSignature},
		"SSH wire form with a huge length": {change: resign(append([]byte("\xff\xff\xff\xff"), wire[4:]...)), want: ErrBadSignature},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := signed(key)
			tc.change(m)
			keys := tc.keys
			if keys == nil {
				keys = []VerifyKey{key.Public(), previous.Public()}
			}
			if err := m.Verify(keys...); !errors.Is(err, tc.want) {
				t.Errorf("Verify = %v, want %v", err, tc.want)
			}
		})
	}
}

func TestTheSSHWireFormIsThatOfTheSSHLibrary(t *testing.T) {
	t.Parallel()
	key := newSigningKey(t)
	signer := must(ssh.NewSignerFromKey(key.key))(t)
	signature := must(signer.Sign(nil, []byte(anyPayload)))(t)
	m := signed(key)
	m.Signature = base64.StdEncoding.EncodeToString(ssh.Marshal(signature))
	if err := m.Verify(key.Public()); err != nil {
		t.Error(err)
	}
	if want := ssh.FingerprintSHA256(signer.PublicKey()); m.Fingerprint != want {
		t.Errorf("fingerprint %s, want %s", m.Fingerprint, want)
	}
}
