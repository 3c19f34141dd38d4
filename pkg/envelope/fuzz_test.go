package envelope

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"testing"
)

// Detect finds exactly what encoding/json would with names matched exactly; Parse takes nothing else, and reads the
// payload that encoding/json reads.
func FuzzParse(f *testing.F) {
	f.Add(golden(f, "python.json"))
	f.Add(golden(f, "go.json"))
	for _, seed := range []string{
		"", "{}", `{"message":{}}`, `{"message":{"payload":null}}`, `{"message":{"payload":"` + anyPayload + `"}}`,
		`{"a":["}",{"b":"\\\""}],"message" : {"pay\u006coad":"` + anyPayload + `","experiment":{"pthonver":3}}}`,
		`{"message":{"payload":"a,b","signature":1e9}} `, `[{"message":[]}]`, `{"":"","message":{"":{}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var whole, message map[string]json.RawMessage
		object := json.Unmarshal(body, &whole) == nil && json.Unmarshal(whole["message"], &message) == nil
		if _, holds := message["payload"]; Detect(body) != (object && holds) {
			t.Fatalf("Detect = %v", Detect(body))
		}
		m, err := Parse(body)
		if err != nil {
			if m != nil || !errors.Is(err, ErrMalformed) {
				t.Fatalf("Parse = %v, %v", m, err)
			}
			return
		}
		var payload string
		if err := json.Unmarshal(message["payload"], &payload); err != nil || payload != string([]rune(string(m.payload.text))) {
			t.Fatalf("payload %q, encoding/json reads %q, %v", m.payload.text, payload, err)
		}
		if m.Verify() == nil || m.Verify(VerifyKey{}) == nil {
			t.Fatal("verified without a key")
		}
	})
}

// No payload but one that was sealed for the key opens, whatever is done to it, and none makes Open panic.
func FuzzOpen(f *testing.F) {
	key, inner := goldenKey(f), golden(f, "inner.json")
	for _, name := range []string{"python.json", "go.json"} {
		f.Add(string(must(Parse(golden(f, name)))(f).payload.text))
	}
	f.Add(anyPayload)
	f.Add("")
	f.Add("====,====")
	f.Add(sealWith(f, make([]byte, 31), []byte("x"), key.Public()))
	f.Fuzz(func(t *testing.T, payload string) {
		got, err := Open(payload, key)
		if err != nil && (got != nil || !errors.Is(err, ErrUndecryptable)) {
			t.Fatalf("Open = %q, %v", got, err)
		}
		if err == nil && !bytes.Equal(got, inner) {
			t.Fatalf("opened %q", got)
		}
	})
}

// The data is tried as a file, and as the content of a PEM block of every type, where changes get past the base64.
func FuzzPrivateKey(f *testing.F) {
	add := func(data, passphrase []byte) {
		block, _ := pem.Decode(data)
		f.Add(data, passphrase)
		f.Add(block.Bytes, passphrase)
	}
	for _, name := range []string{"request.pem", "request_plain.pem", "request_pbkdf2.pem", "request_scrypt.pem"} {
		add(golden(f, name), golden(f, "passphrase"))
	}
	for _, passphrase := range []string{"", "PassPhrase"} {
		add(must(newSigningKey(f).MarshalPEM([]byte(passphrase)))(f), nil) // bcrypt would take most of the time
	}
	add(must(marshalOpenSSH(goldenKey(f).key, nil))(f), nil)
	f.Fuzz(func(t *testing.T, data, passphrase []byte) {
		files := [][]byte{data}
		for _, kind := range []string{"RSA PRIVATE KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY"} {
			files = append(files, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}))
		}
		for _, file := range files {
			if key, err := ParsePrivateKey(file, passphrase); err == nil {
				opens(t, key, key.Public())
			}
			if key, err := ParseSigningKey(file, passphrase); err == nil && signed(key).Verify(key.Public()) != nil {
				t.Fatal("a key that does not verify what it signed")
			}
		}
	})
}

func FuzzPublicKey(f *testing.F) {
	for _, name := range []string{"request.pub", "request.pub.pem", "signing.pub"} {
		f.Add(golden(f, name))
	}
	f.Add(goldenKey(f).Public().MarshalPEM())
	f.Fuzz(func(t *testing.T, data []byte) {
		if key, err := ParsePublicKey(data); err == nil {
			must(Seal([]byte("x"), key))(t)
			must(ParsePublicKey(key.MarshalPEM()))(t)
		}
		if key, err := ParseVerifyKey(data); err == nil && must(ParseVerifyKey([]byte(key.AuthorizedLine(""))))(t) != key {
			t.Fatal("the key changes when it is written")
		}
	})
}
