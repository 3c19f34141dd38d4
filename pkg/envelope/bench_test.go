package envelope

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/crypto/nacl/secretbox"
)

const (
	benchBits   = 4096 // as the deployment guide makes request keys
	benchRounds = 300
	benchBudget = 0.95
)

// BenchmarkOpening times all that an executor does with a body, from its bytes to the inner request (Parse, Verify and
// Open), against the three primitives alone on the same bytes, which they are given decoded. One round is one of each, in
// turn, and what counts is the processor time of the whole process; the ratio is the median of the rounds' ratios, so that
// what slows the machine down slows both. Below the budget it fails.
func BenchmarkOpening(b *testing.B) {
	key := must(GeneratePrivateKey(benchBits))(b)
	for _, size := range []int{1 << 10, 16 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			o := newOpening(b, key, size)
			var rounds []round
			for b.Loop() {
				for i := range benchRounds {
					rounds = append(rounds, o.round(b, i%2 == 0))
				}
			}
			report(b, size, rounds)
		})
	}
}

func report(b *testing.B, size int, rounds []round) {
	b.Helper()
	ms := func(of func(round) float64) float64 { return 1e3 * median(rounds, of) }
	ratio := median(rounds, func(r round) float64 { return r.bare / (r.parse + r.open) })
	b.Logf("%d KiB for RSA-%d, %d rounds: bare primitives %.3f ms; Parse %.3f ms, Verify and Open %.3f ms; ratio=%.2f", size>>10, benchBits, len(rounds),
		ms(func(r round) float64 { return r.bare }), ms(func(r round) float64 { return r.parse }), ms(func(r round) float64 { return r.open }), ratio)
	if ratio < benchBudget {
		b.Errorf("opening has %.3f of the rate of the bare primitives; the budget is %.2f", ratio, benchBudget)
	}
}

// round is the seconds that each side took.
type round struct{ bare, parse, open float64 }

func median(rounds []round, of func(round) float64) float64 {
	values := make([]float64, 0, len(rounds))
	for _, r := range rounds {
		values = append(values, of(r))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// opening is a body, and the inputs of the three primitives in it.
type opening struct {
	key  *PrivateKey
	sign VerifyKey
	body []byte

	public                         ed25519.PublicKey
	payload, signature, block, box []byte
}

func newOpening(tb testing.TB, key *PrivateKey, size int) *opening {
	tb.Helper()
	inner := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(inner)
	sign := newSigningKey(tb)
	body := must(New(Header{Status: "waiting", PythonVer: []byte(`"3.9"`), Resources: []byte(`{"cpus":1}`)}, inner, key.Public(), sign))(tb)
	m := must(Parse(body))(tb)
	o := &opening{key: key, sign: sign.Public(), body: body, payload: m.payload.text, block: decode(nil, m.payload.block), box: decode(nil, m.payload.box), signature: parseSignature(m.Signature)}
	o.public = o.sign.key[:]
	return o
}

func (o *opening) round(tb testing.TB, bareFirst bool) (r round) {
	tb.Helper()
	if bareFirst {
		r.bare = o.bare(tb)
	}
	r.parse, r.open = o.ours(tb)
	if !bareFirst {
		r.bare = o.bare(tb)
	}
	return r
}

func (o *opening) ours(tb testing.TB) (parse, open float64) {
	tb.Helper()
	start := processorTime(tb)
	m := must(Parse(o.body))(tb)
	parse = (processorTime(tb) - start).Seconds()
	if err := m.Verify(o.sign); err != nil {
		tb.Fatal(err)
	}
	must(m.Open(o.key))(tb)
	return parse, (processorTime(tb) - start).Seconds() - parse
}

func (o *opening) bare(tb testing.TB) float64 {
	tb.Helper()
	start := processorTime(tb)
	verified := ed25519.Verify(o.public, o.payload, o.signature)
	session := must(rsa.DecryptOAEP(sha256.New(), nil, o.key.key, o.block, nil))(tb)
	_, opened := secretbox.Open(nil, o.box[nonceSize:], (*[nonceSize]byte)(o.box), (*[sessionKeySize]byte)(session))
	took := (processorTime(tb) - start).Seconds()
	if !verified || !opened {
		tb.Fatal("the primitives do not open what Seal sealed")
	}
	return took
}
