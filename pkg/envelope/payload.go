package envelope

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/segmentio/asm/base64"
	"golang.org/x/crypto/nacl/secretbox"
)

const (
	sessionKeySize = 32
	nonceSize      = 24
	minBlockSize   = minRSABits / 8
	minBoxSize     = nonceSize + secretbox.Overhead
)

// payload is a payload string taken apart. Both parts are base64 of at least the bytes that they must have.
type payload struct {
	text  []byte // as signed
	block []byte // the session key under RSA-OAEP, in base64
	box   []byte // the nonce and the secretbox, in base64
}

func parsePayload(text []byte) (payload, error) {
	block, box, found := bytes.Cut(text, []byte(","))
	p := payload{text: text, block: block, box: box}
	if !found {
		return p, fmt.Errorf("%w: payload has no comma between two parts", ErrMalformed)
	}
	if !isBase64(block, minBlockSize) {
		return p, fmt.Errorf("%w: part 1 of the payload is no base64 of at least %d bytes", ErrMalformed, minBlockSize)
	}
	if isBase64(box, minBoxSize) {
		return p, nil
	}
	if bytes.ContainsRune(box, ',') {
		return p, fmt.Errorf("%w: payload has more than one comma", ErrMalformed)
	}
	return p, fmt.Errorf("%w: part 2 of the payload is no base64 of at least %d bytes", ErrMalformed, minBoxSize)
}

// cutPayload is parsePayload for a JSON string that a value begins with, which it reads once. It finds none in a string that
// is no payload, or that has escapes; the length is that of the string.
func cutPayload(b []byte) (p payload, length int) {
	inside, quoted := bytes.CutPrefix(b, []byte(`"`))
	block, rest, found := bytes.Cut(inside, []byte(","))
	if !quoted || !found || !isBase64(block, minBlockSize) {
		return p, 0
	}
	skip := skipBase64(rest)
	end := bytes.IndexByte(rest[skip:], '"')
	if end < 0 || !isBase64Tail(rest[skip:skip+end]) || decodedLen(rest[:skip+end]) < minBoxSize {
		return p, 0
	}
	text := inside[:len(block)+1+skip+end]
	return payload{text: text, block: block, box: rest[:skip+end]}, len(text) + 2
}

// isBase64 reports whether text decodes, to that many bytes or more.
func isBase64(text []byte, atLeast int) bool {
	return decodedLen(text) >= atLeast && isBase64Tail(text[skipBase64(text):])
}

// skipBase64 returns how many bytes in front are base64 without padding. It decodes piece by piece, and so takes no memory.
func skipBase64(text []byte) (n int) {
	var piece [6 << 10]byte
	const size = len(piece) / 3 * 4
	for ; len(text)-n >= size; n += size {
		if decoded, err := base64.StdEncoding.Decode(piece[:], text[n:n+size]); err != nil || decoded != len(piece) {
			break
		}
	}
	return n
}

func isBase64Tail(text []byte) bool { return len(text) == 0 || decode(nil, text) != nil }

// decode writes the bytes that padded base64 without line breaks stands for to the start of a buffer, which is replaced if
// it is too small, and returns them; nil for any other text.
//
// encoding/base64 takes nearly as long for 1 MiB as secretbox does; the package that is used here has the same results, to which
// FuzzDecode holds it, by the processor's vector instructions.
func decode(buffer, text []byte) []byte {
	length := decodedLen(text)
	if length < 0 {
		return nil
	}
	buffer = slices.Grow(buffer[:0], base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(buffer[:cap(buffer)], text)
	if err != nil || n != length { // fewer bytes where the text has line breaks, which are skipped
		return nil
	}
	return buffer[:length]
}

// decodedLen returns the number of bytes that base64 stands for, -1 if padded base64 cannot have this length.
func decodedLen(text []byte) int {
	if len(text) == 0 || len(text)%4 != 0 {
		return -1
	}
	padding := 2 - len(bytes.TrimRight(text[len(text)-2:], "="))
	return len(text)/4*3 - padding
}
