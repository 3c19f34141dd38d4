package envelope

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"testing"
)

// Detect finds exactly what encoding/json would with names matched exactly, and Parse says of nothing else that it is an
// envelope; it reads the payload that encoding/json reads.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"python.json", "go.json", "client.json"} {
		f.Add(golden(f, name))
	}
	for _, seed := range []string{
		"", "{}", `{"message":{}}`, `{"message":{"payload":null}}`, `{"message":{"payload":"` + anyPayload + `"}}`,
		`{"a":["}",{"b":"\\\""}],"message" : {"pay\u006coad":"` + anyPayload + `","experiment":{"pthonver":3}}}`,
		`{"message":{"payload":"a,b","signature":1e9}} `, `[{"message":[]}]`, `{"":"","message":{"":{}}}`,
		`{"message":{"payload":"` + strings.Replace(anyPayload, "A", `\u0041`, 1) + `"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var whole, message map[string]json.RawMessage
		object := json.Unmarshal(body, &whole) == nil && json.Unmarshal(whole["message"], &message) == nil
		_, holds := message["payload"]
		if Detect(body) != (object && holds) {
			t.Fatalf("Detect = %v", Detect(body))
		}
		m, err := Parse(body)
		if errors.Is(err, ErrNotEnvelope) == Detect(body) {
			t.Fatalf("Detect = %v, Parse = %v", Detect(body), err)
		}
		if err != nil {
			if m != nil || !errors.Is(err, ErrMalformed) {
				t.Fatalf("Parse = %v, %v", m, err)
			}
			return
		}
		var payload string
		if err := json.Unmarshal(message["payload"], &payload); err != nil || payload != string(m.payload.text) {
			t.Fatalf("payload %q, encoding/json reads %q, %v", m.payload.text, payload, err)
		}
		if m.Verify() == nil || m.Verify(VerifyKey{}) == nil {
			t.Fatal("verified without a key")
		}
	})
}

// decode has the results of encoding/base64, but for line breaks, which that one skips.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"", "AA==", "AAA", "A===", "QUJD\n", "=", zeros(100), zeros(30) + "\r\n", zeros(7<<10) + "AA==", "!" + zeros(48)} {
		f.Add([]byte(seed))
	}
	long := []byte(zeros(6 << 10)) // as much as isBase64 looks at in one piece
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, text := range [][]byte{data, slices.Concat(long, data), slices.Concat(data, long)} {
			want, err := base64.StdEncoding.DecodeString(string(text))
			valid := err == nil && len(text) > 0 && !bytes.ContainsAny(text, "\r\n")
			got := decode(nil, text)
			if (got != nil) != valid || valid && !bytes.Equal(got, want) {
				t.Fatalf("decode(%q) = %x, encoding/base64 has %x, %v", text, got, want, err)
			}
			if isBase64(text, 0) != valid {
				t.Fatalf("isBase64(%q) = %v", text, !valid)
			}
		}
	})
}

// No payload but one that was sealed for the key opens, whatever is done to it, and none makes Open panic. The data is
// tried as a payload, and as the content of both parts and of part 2, where changes get past the base64.
func FuzzOpen(f *testing.F) {
	key, inner := goldenKey(f), golden(f, "inner.json")
	whole := string(must(Parse(golden(f, "python.json")))(f).payload.text)
	block, _, _ := strings.Cut(whole, ",")
	for _, name := range []string{"python.json", "go.json"} {
		p := must(Parse(golden(f, name)))(f).payload
		f.Add(p.text)
		f.Add(decode(nil, p.box))
		f.Add(slices.Concat(decode(nil, p.block), decode(nil, p.box)))
	}
	for _, seed := range []string{anyPayload, "", "====,====", sealWith(f, make([]byte, 31), []byte("x"), key.Public())} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		payloads := []string{string(data), block + "," + base64.StdEncoding.EncodeToString(data)}
		if size := key.key.Size(); len(data) > size {
			payloads = append(payloads, joinPayload(data[:size], data[size:]))
		}
		for _, payload := range payloads {
			got, err := Open(payload, key)
			if err != nil && (got != nil || !errors.Is(err, ErrUndecryptable)) {
				t.Fatalf("Open = %q, %v", got, err)
			}
			if err == nil && !bytes.Equal(got, inner) {
				t.Fatalf("opened %q", got)
			}
		}
	})
}

// What a key file asks of work before it is opened is bounded. The data is tried as a file, and as the content of a PEM block of every type, where changes get past the base64.
func FuzzPrivateKey(f *testing.F) {
	add := func(data, passphrase []byte) {
		block, _ := pem.Decode(data)
		f.Add(data, passphrase)
		f.Add(block.Bytes, passphrase)
	}
	for _, name := range []string{"request.pem", "request_plain.pem", "request_pbkdf2.pem", "request_scrypt.pem"} {
		add(golden(f, name), golden(f, "passphrase"))
	}
	add(golden(f, "signing"), nil)
	add(must(marshalOpenSSH(goldenKey(f).key, nil))(f), nil)
	little := work{iterations: 2048, scryptMemory: 1 << 20, scryptLanes: 2, bcryptRounds: 1}
	f.Fuzz(func(t *testing.T, data, passphrase []byte) {
		files := [][]byte{data}
		for _, kind := range []string{"RSA PRIVATE KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY"} {
			files = append(files, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}))
		}
		for _, file := range files {
			if key, err := little.parsePrivateKey(file, passphrase); err == nil {
				opens(t, key, key.Public())
			}
			if key, err := little.parseSigningKey(file, passphrase); err == nil && signed(key).Verify(key.Public()) != nil {
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
