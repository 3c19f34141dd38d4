package envelope

import (
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/nacl/secretbox"
)

const (
	sessionKeySize = 32
	nonceSize      = 24
	minBlockSize   = minRSABits / 8
	minBoxSize     = nonceSize + secretbox.Overhead
)

// splitPayload returns the two parts, still in base64, after checking what their lengths tell.
func splitPayload(payload string) (block, box string, err error) {
	if commas := strings.Count(payload, ","); commas != 1 {
		return "", "", fmt.Errorf("%w: payload has %d commas between its parts, not 1", ErrMalformed, commas)
	}
	block, box, _ = strings.Cut(payload, ",")
	if n := decodedLen(block); n < minBlockSize {
		return "", "", fmt.Errorf("%w: part 1 of the payload is no base64 of at least %d bytes", ErrMalformed, minBlockSize)
	}
	if n := decodedLen(box); n < minBoxSize {
		return "", "", fmt.Errorf("%w: part 2 of the payload is no base64 of at least %d bytes", ErrMalformed, minBoxSize)
	}
	return block, box, nil
}

// decodedLen returns the number of bytes that s stands for, -1 if padded base64 cannot have this length.
func decodedLen(s string) int {
	if len(s) == 0 || len(s)%4 != 0 {
		return -1
	}
	padding := 2 - len(strings.TrimRight(s[len(s)-2:], "="))
	return len(s)/4*3 - padding
}

// decode is base64.StdEncoding without its tolerance of line breaks.
func decode(s string) ([]byte, bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	return b, err == nil && len(b) == decodedLen(s)
}
