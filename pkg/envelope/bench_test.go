package envelope

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/nacl/secretbox"
)

// BenchmarkOpen alternates verifying and opening an envelope with the bare primitives on the same bytes, already decoded.
// of_bare is the rate of the first as a part of the rate of the second; the budget is 0.95 for requests as they are.
func BenchmarkOpen(b *testing.B) { benchmarkOpen(b, false) }

// BenchmarkParseAndOpen counts the JSON of the envelope too, from the body as it comes.
func BenchmarkParseAndOpen(b *testing.B) { benchmarkOpen(b, true) }

func benchmarkOpen(b *testing.B, parse bool) {
	b.Helper()
	for _, bits := range []int{2048, 4096} {
		key := must(GeneratePrivateKey(bits))(b)
		for _, size := range []int{4 << 10, 16 << 10, 64 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("rsa=%d/inner=%dKiB", bits, size>>10), func(b *testing.B) {
				sign := newSigningKey(b)
				body := must(New(Header{}, make([]byte, size), key.Public(), sign))(b)
				m := must(Parse(body))(b)
				bare := newBare(b, m, key, sign)
				ours := func() error {
					if parse {
						m = must(Parse(body))(b)
					}
					if err := m.Verify(sign.Public()); err != nil {
						return err
					}
					_, err := m.Open(key)
					return err
				}
				compare(b, bare.open, ours)
			})
		}
	}
}

// compare takes the fastest run of each: other work on the machine only ever adds.
func compare(b *testing.B, bare, ours func() error) {
	b.Helper()
	b.ReportAllocs()
	fastest := func(best *time.Duration, f func() error) {
		start := time.Now()
		if err := f(); err != nil {
			b.Fatal(err)
		}
		*best = min(*best, time.Since(start))
	}
	bareBest, oursBest := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	for b.Loop() {
		fastest(&bareBest, bare)
		fastest(&oursBest, ours)
	}
	b.ReportMetric(bareBest.Seconds()/oursBest.Seconds(), "of_bare")
}

// bareParts are the inputs of the three primitives.
type bareParts struct {
	key                            *rsa.PrivateKey
	public                         ed25519.PublicKey
	payload, signature, block, box []byte
}

func newBare(tb testing.TB, m *Message, key *PrivateKey, sign SigningKey) bareParts {
	tb.Helper()
	block, box, _ := strings.Cut(m.Payload, ",")
	raw := func(s string) []byte { return must(base64.StdEncoding.DecodeString(s))(tb) }
	public := sign.Public().key
	return bareParts{key: key.key, public: public[:], payload: []byte(m.Payload), signature: raw(m.Signature), block: raw(block), box: raw(box)}
}

func (p bareParts) open() error {
	if !ed25519.Verify(p.public, p.payload, p.signature) {
		return ErrBadSignature
	}
	session, err := rsa.DecryptOAEP(sha256.New(), nil, p.key, p.block, nil)
	if err != nil {
		return err
	}
	if _, ok := secretbox.Open(nil, p.box[nonceSize:], (*[nonceSize]byte)(p.box), (*[sessionKeySize]byte)(session)); !ok {
		return ErrUndecryptable
	}
	return nil
}
