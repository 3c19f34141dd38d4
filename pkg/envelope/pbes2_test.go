package envelope

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"testing"
)

// pbes2 is an encrypted key taken apart, so that a row can change one thing in it.
type pbes2 struct {
	outer  encryptedKey
	params pbes2Params
	pbkdf2 pbkdf2Params
	scrypt scryptParams
	iv     []byte
}

func takeApart(tb testing.TB, file string) *pbes2 {
	tb.Helper()
	block, _ := pem.Decode(golden(tb, file))
	p := new(pbes2)
	err := errors.Join(
		unmarshalExact(block.Bytes, &p.outer),
		unmarshalExact(p.outer.Algorithm.Parameters.FullBytes, &p.params),
		unmarshalExact(p.params.Encryption.Parameters.FullBytes, &p.iv))
	derivation := p.params.Derivation.Parameters.FullBytes
	if file == "request_scrypt.pem" {
		err = errors.Join(err, unmarshalExact(derivation, &p.scrypt))
	} else {
		err = errors.Join(err, unmarshalExact(derivation, &p.pbkdf2))
	}
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func (p *pbes2) assemble(tb testing.TB) []byte {
	tb.Helper()
	der := func(v any) []byte { return must(asn1.Marshal(v))(tb) }
	raw := func(v any) asn1.RawValue { return asn1.RawValue{FullBytes: der(v)} }
	if p.scrypt.N != 0 {
		p.params.Derivation.Parameters = raw(p.scrypt)
	} else {
		p.params.Derivation.Parameters = raw(p.pbkdf2)
	}
	p.params.Encryption.Parameters = raw(p.iv)
	p.outer.Algorithm.Parameters = raw(p.params)
	return pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der(p.outer)})
}

func TestEncryptedPKCS8WithImpossiblePartsIsRefused(t *testing.T) {
	t.Parallel()
	unknown := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 3}}
	tests := map[string]struct {
		scrypt bool
		change func(*pbes2)
		want   error // any error if nil
	}{
		"another scheme":            {change: func(p *pbes2) { p.outer.Algorithm.Algorithm = unknown.Algorithm }, want: errPBES2},
		"another cipher":            {change: func(p *pbes2) { p.params.Encryption.Algorithm = unknown.Algorithm }, want: errPBES2},
		"another derivation":        {change: func(p *pbes2) { p.params.Derivation.Algorithm = unknown.Algorithm }, want: errPBES2},
		"another pseudo-random":     {change: func(p *pbes2) { p.pbkdf2.PRF = unknown }, want: errPBES2},
		"the pseudo-random omitted": {change: func(p *pbes2) { p.pbkdf2.PRF = pkix.AlgorithmIdentifier{} }, want: ErrPassphrase},
		"no iterations":             {change: func(p *pbes2) { p.pbkdf2.Iterations = 0 }},
		"endless iterations":        {change: func(p *pbes2) { p.pbkdf2.Iterations = 1 << 30 }},
		"a short IV":                {change: func(p *pbes2) { p.iv = p.iv[:15] }},
		"a long IV":                 {change: func(p *pbes2) { p.iv = append(p.iv, 0) }},
		"no data":                   {change: func(p *pbes2) { p.outer.Data = nil }},
		"half a block":              {change: func(p *pbes2) { p.outer.Data = p.outer.Data[:24] }},
		"only a first block":        {change: func(p *pbes2) { p.outer.Data = p.outer.Data[:16] }, want: ErrPassphrase},
		"another salt":              {change: func(p *pbes2) { p.pbkdf2.Salt = bytes.ToUpper(append(p.pbkdf2.Salt, 'x')) }, want: ErrPassphrase},
		"scrypt, no power of two":   {scrypt: true, change: func(p *pbes2) { p.scrypt.N-- }},
		"scrypt, all the memory":    {scrypt: true, change: func(p *pbes2) { p.scrypt.N = 1 << 40 }},
		"scrypt, negative":          {scrypt: true, change: func(p *pbes2) { p.scrypt.R = -1 }},
		"scrypt, endless lanes":     {scrypt: true, change: func(p *pbes2) { p.scrypt.P = 1 << 20 }},
	}
	for _, file := range []string{"request_pbkdf2.pem", "request_scrypt.pem"} {
		must(ParsePrivateKey(takeApart(t, file).assemble(t), golden(t, "passphrase")))(t)
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := "request_pbkdf2.pem"
			if tc.scrypt {
				file = "request_scrypt.pem"
			}
			p := takeApart(t, file)
			tc.change(p)
			_, err := ParsePrivateKey(p.assemble(t), golden(t, "passphrase"))
			if err == nil || tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("ParsePrivateKey: %v", err)
			}
		})
	}
}
