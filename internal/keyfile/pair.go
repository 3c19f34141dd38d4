package keyfile

import (
	"errors"
	"fmt"

	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// Pair tells whether the two are halves of one key, by use: what the public one seals the private one opens, what the private
// one signs the public one verifies. The error says what is wrong.
func Pair(private, public Key) error {
	switch {
	case !private.Private && public.Private:
		return errors.New("the first file holds a public key and the second a private one: give them the other way round")
	case !private.Private:
		return errors.New("the first file holds a public key: give the private one first")
	case public.Private:
		return errors.New("the second file holds a private key, too: give the public one, and never hand out this file")
	case private.Type != public.Type:
		return fmt.Errorf("the private key is of the type %s and the public one of %s: RSA keys seal requests and reports, Ed25519 keys sign", private.Type, public.Type)
	}
	if err := private.fits(public); err != nil {
		return fmt.Errorf("they are not halves of one key: the private one is %s, the public one %s: %w", private.Fingerprint, public.Fingerprint, err)
	}
	return nil
}

func (k Key) fits(public Key) error {
	const sample = "a sample for this check alone"
	if k.Type == Ed25519 {
		m := envelope.Message{Payload: sample, Signature: k.signs.Sign(sample)}
		return m.Verify(public.verifies)
	}
	sealed, err := envelope.Seal([]byte(sample), public.seals)
	if err != nil {
		return err
	}
	opened, err := envelope.Open(sealed, k.opens)
	if err == nil && string(opened) != sample {
		err = errors.New("what was opened is not what was sealed")
	}
	return err
}
