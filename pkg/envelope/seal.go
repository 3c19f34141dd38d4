package envelope

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/crypto/nacl/secretbox"
)

// Seal encrypts plain under a fresh session key and that key for the reader: a payload for [Open].
func Seal(plain []byte, to *PublicKey) (payload string, err error) {
	if to == nil || to.key == nil {
		return "", errors.New("seal: no public key")
	}
	var session [sessionKeySize]byte
	var nonce [nonceSize]byte
	_, _ = rand.Read(session[:]) // documented never to fail
	_, _ = rand.Read(nonce[:])
	block, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, to.key, session[:], nil)
	if err != nil {
		return "", fmt.Errorf("seal the session key: %w", err)
	}
	box := make([]byte, nonceSize, minBoxSize+len(plain))
	copy(box, nonce[:])
	return joinPayload(block, secretbox.Seal(box, plain, &nonce, &session)), nil
}

func joinPayload(block, box []byte) string {
	b64 := base64.StdEncoding
	out := make([]byte, 0, b64.EncodedLen(len(block))+1+b64.EncodedLen(len(box)))
	out = append(b64.AppendEncode(out, block), ',')
	return string(b64.AppendEncode(out, box))
}

// The members in the order in which clients write them.
type wireBody struct {
	Message wireMessage `json:"message"`
}

type wireMessage struct {
	Experiment  wireExperiment  `json:"experiment"`
	TimeAdded   float64         `json:"time_added"`
	Lifetime    *string         `json:"experiment_lifetime"`
	Resources   json.RawMessage `json:"resources_needed"`
	Payload     string          `json:"payload"`
	Fingerprint string          `json:"fingerprint,omitempty"`
	Signature   string          `json:"signature,omitempty"`
}

type wireExperiment struct {
	Status    string          `json:"status"`
	PythonVer json.RawMessage `json:"pythonver"`
}

// New makes the whole body that a client publishes: the header in clear, the inner request sealed and signed. A zero
// SigningKey leaves it unsigned, as clients without a signing key do; clusters refuse such a message.
func New(h Header, inner []byte, to *PublicKey, sign SigningKey) ([]byte, error) {
	payload, err := Seal(inner, to)
	if err != nil {
		return nil, err
	}
	m := wireMessage{
		Experiment: wireExperiment{Status: h.Status, PythonVer: h.PythonVer},
		TimeAdded:  h.TimeAdded,
		Resources:  h.Resources,
		Payload:    payload,
	}
	if h.Lifetime != "" {
		m.Lifetime = &h.Lifetime
	}
	if !sign.IsZero() {
		m.Fingerprint, m.Signature = sign.Public().Fingerprint(), sign.Sign(payload)
	}
	body, err := json.Marshal(wireBody{Message: m})
	if err != nil {
		return nil, fmt.Errorf("marshal envelope: %w", err)
	}
	return body, nil
}
