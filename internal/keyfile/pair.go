package keyfile

import (
	"encoding/base64"
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
	if k.Type == Ed25519 {
		return k.signsFor(public)
	}
	const sample = "a sample for this check alone"
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

// signsFor signs something that has the form of a payload.
func (k Key) signsFor(public Key) error {
	part := base64.StdEncoding.EncodeToString(make([]byte, 1<<10))
	sample := part + "," + part
	m, err := envelope.Parse(fmt.Appendf(nil, `{"message":{"payload":%q,"signature":%q}}`, sample, k.signs.Sign(sample)))
	if err != nil {
		return err
	}
	return m.Verify(public.verifies)
}
