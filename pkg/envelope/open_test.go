package envelope

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/nacl/secretbox"
)

// sealWith seals under a session key of the caller's choice, of any length.
func sealWith(tb testing.TB, session, plain []byte, to *PublicKey) string {
	tb.Helper()
	block := must(rsa.EncryptOAEP(sha256.New(), rand.Reader, to.key, session, nil))(tb)
	var key [32]byte
	copy(key[:], session)
	return joinPayload(block, secretbox.Seal(make([]byte, nonceSize), plain, new([nonceSize]byte), &key))
}

func TestWhatIsSealedIsOpened(t *testing.T) {
	t.Parallel()
	key := goldenKey(t)
	for _, size := range []int{0, 1, 4096, 1 << 20} {
		plain := bytes.Repeat([]byte("x"), size)
		payload := must(Seal(plain, key.Public()))(t)
		if inner, err := Open(payload, key); err != nil || !bytes.Equal(inner, plain) {
			t.Errorf("Open of %d sealed bytes = %d bytes, %v", size, len(inner), err)
		}
	}
}

func TestThePreviousKeyStillOpens(t *testing.T) {
	t.Parallel()
	previous := goldenKey(t)
	current := otherKey()
	larger := must(GeneratePrivateKey(3072))(t)
	payload := must(Seal([]byte("{}"), previous.Public()))(t)
	if inner, err := Open(payload, nil, larger, current, previous); err != nil || string(inner) != "{}" {
		t.Errorf("Open = %q, %v", inner, err)
	}
	if inner, err := Open(payload, larger, current); inner != nil || !errors.Is(err, ErrUndecryptable) {
		t.Errorf("Open without the key = %q, %v", inner, err)
	}
}

func TestOpenRefusesWhatDoesNotDecrypt(t *testing.T) {
	t.Parallel()
	key := goldenKey(t)
	plain := []byte(`{"experiment":"secret"}`)
	payload := must(Seal(plain, key.Public()))(t)
	block, box, _ := strings.Cut(payload, ",")
	rawBox := must(base64.StdEncoding.DecodeString(box))(t)
	flip := func(i int) string {
		damaged := bytes.Clone(rawBox)
		damaged[i] ^= 1
		return block + "," + base64.StdEncoding.EncodeToString(damaged)
	}
	session := func(n int) string { return sealWith(t, make([]byte, n), plain, key.Public()) }
	other := must(Seal(plain, key.Public()))(t)
	tests := map[string]string{
		"empty":                          "",
		"no comma":                       block + box,
		"three parts":                    payload + "," + box,
		"short part 1":                   "AAAA," + box,
		"a block of another size":        zeros(128) + "," + box,
		"a block larger than the key":    zeros(512) + "," + box,
		"a block above the modulus":      strings.Repeat("/", len(block)-2) + "==," + box,
		"a block of zeros":               zeros(256) + "," + box,
		"a block that is not base64":     "!" + payload[1:],
		"a block with a line break":      block[:4] + "\r\n\r\n" + block[4:] + "," + box,
		"a box that is not base64":       block + ",!" + box[1:],
		"a box with padding inside":      block + ",A===" + box,
		"a truncated box":                block + "," + base64.StdEncoding.EncodeToString(rawBox[:len(rawBox)-1]),
		"a box of its nonce":             block + "," + base64.StdEncoding.EncodeToString(rawBox[:nonceSize]),
		"another nonce":                  flip(0),
		"another authenticator":          flip(nonceSize),
		"another text":                   flip(len(rawBox) - 1),
		"the box of another payload":     block + "," + other[strings.IndexByte(other, ',')+1:],
		"a session key of 31 bytes":      session(31),
		"a session key of 33 bytes":      session(33),
		"a session key of nothing":       session(0),
		"the parts the wrong way around": box + "," + block,
	}
	for name, payload := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inner, err := Open(payload, key)
			if inner != nil || !errors.Is(err, ErrUndecryptable) {
				t.Fatalf("Open = %q, %v", inner, err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells the inner request: %v", err)
			}
		})
	}
	if inner, err := Open(session(32), key); err != nil || !bytes.Equal(inner, plain) {
		t.Errorf("a session key of 32 bytes: %q, %v", inner, err)
	}
}

// A message refers to the body that it was parsed from.
func TestABodyThatIsChangedAfterItWasParsedDoesNotOpen(t *testing.T) {
	t.Parallel()
	key, body := goldenKey(t), golden(t, "python.json")
	m := must(Parse(body))(t)
	clear(body)
	if err := m.Verify(goldenVerifyKey(t)); !errors.Is(err, ErrBadSignature) {
		t.Errorf("Verify = %v", err)
	}
	if inner, err := m.Open(key); inner != nil || !errors.Is(err, ErrUndecryptable) {
		t.Errorf("Open = %q, %v", inner, err)
	}
}

func TestOpenWithoutKeysIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := Open(anyPayload); !errors.Is(err, ErrUndecryptable) {
		t.Error(err)
	}
	if _, err := Open(anyPayload, nil, new(PrivateKey)); !errors.Is(err, ErrUndecryptable) {
		t.Error(err)
	}
}

// Beside what the two primitives allocate there are the two decoded parts and the box's content, whatever its size.
//
//nolint:paralleltest // testing.AllocsPerRun counts the whole process
func TestOpenAllocatesFewAndBoundedBlocks(t *testing.T) {
	key := goldenKey(t)
	allocs := func(size int) float64 {
		payload := must(Seal(make([]byte, size), key.Public()))(t)
		return testing.AllocsPerRun(5, func() { must(Open(payload, key))(t) })
	}
	if small, large := allocs(1<<10), allocs(1<<20); large > small+4 { // a buffer that the pool has lost comes back in steps
		t.Errorf("%v allocations for 1 MiB, %v for 1 KiB", large, small)
	}
}
