package envelope

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // 3DES is what older tools encrypt key files with
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // PBKDF2's default pseudo-random function; HMAC-SHA-1 is not broken
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/crypto/scrypt"
)

var errPBES2 = errors.New("encrypted in a way that is not supported: want PBES2 with PBKDF2 or scrypt, AES-CBC or 3DES-CBC")

// The structures of RFC 8018 appendix A and RFC 7914 section 7.
type (
	encryptedKey struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	pbes2Params struct {
		Derivation pkix.AlgorithmIdentifier
		Encryption pkix.AlgorithmIdentifier
	}
	pbkdf2Params struct {
		Salt       []byte
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
	scryptParams struct {
		Salt             []byte
		N, R, P          int
		OptionalKeyBytes int `asn1:"optional"`
	}
)

// parsePBES2 opens an ENCRYPTED PRIVATE KEY (PKCS#8) of the second password-based scheme of PKCS#5. The standard library
// has none, and the libraries that do panic on a short initialisation vector and know one or two of OpenSSL's hashes.
func (most work) parsePBES2(der, passphrase []byte) (any, error) {
	var outer encryptedKey
	var params pbes2Params
	if err := unmarshalExact(der, &outer); err != nil {
		return nil, err
	}
	if outer.Algorithm.Algorithm.String() != "1.2.840.113549.1.5.13" {
		return nil, errPBES2
	}
	if err := unmarshalExact(outer.Algorithm.Parameters.FullBytes, &params); err != nil {
		return nil, err
	}
	if len(passphrase) == 0 {
		return nil, ErrPassphrase
	}
	plain, err := most.decryptPBES2(params, outer.Data, passphrase)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, ErrPassphrase // wrong passphrases leave padding that looks right now and then
	}
	return key, nil
}

func (most work) decryptPBES2(params pbes2Params, data, passphrase []byte) ([]byte, error) {
	newBlock, keySize := blockCipher(params.Encryption.Algorithm)
	if newBlock == nil {
		return nil, errPBES2
	}
	var iv []byte
	if err := unmarshalExact(params.Encryption.Parameters.FullBytes, &iv); err != nil {
		return nil, err
	}
	key, err := most.deriveKey(params.Derivation, passphrase, keySize)
	if err != nil {
		return nil, err
	}
	block, err := newBlock(key)
	if err != nil {
		return nil, err
	}
	if len(iv) != block.BlockSize() || len(data) == 0 || len(data)%block.BlockSize() != 0 {
		return nil, errors.New("encrypted key of impossible length")
	}
	plain := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
	return unpad(plain, block.BlockSize())
}

func blockCipher(id asn1.ObjectIdentifier) (func([]byte) (cipher.Block, error), int) {
	switch id.String() {
	case "2.16.840.1.101.3.4.1.2":
		return aes.NewCipher, 16
	case "2.16.840.1.101.3.4.1.22":
		return aes.NewCipher, 24
	case "2.16.840.1.101.3.4.1.42":
		return aes.NewCipher, 32
	case "1.2.840.113549.3.7":
		return des.NewTripleDESCipher, 24
	default:
		return nil, 0
	}
}

func (most work) deriveKey(derivation pkix.AlgorithmIdentifier, passphrase []byte, size int) ([]byte, error) {
	switch derivation.Algorithm.String() {
	case "1.2.840.113549.1.5.12":
		return most.derivePBKDF2(derivation.Parameters.FullBytes, passphrase, size)
	case "1.3.6.1.4.1.11591.4.11":
		return most.deriveScrypt(derivation.Parameters.FullBytes, passphrase, size)
	default:
		return nil, errPBES2
	}
}

func (most work) derivePBKDF2(der, passphrase []byte, size int) ([]byte, error) {
	var p pbkdf2Params
	if err := unmarshalExact(der, &p); err != nil {
		return nil, err
	}
	prf := pseudoRandom(p.PRF.Algorithm)
	if prf == nil {
		return nil, errPBES2
	}
	if p.Iterations < 1 || p.Iterations > most.iterations {
		return nil, fmt.Errorf("encrypted with %d iterations, not 1 to %d", p.Iterations, most.iterations)
	}
	return pbkdf2.Key(prf, string(passphrase), p.Salt, p.Iterations, size)
}

func pseudoRandom(id asn1.ObjectIdentifier) func() hash.Hash {
	if len(id) == 0 {
		return sha1.New // the default where the field is left out
	}
	switch id.String() {
	case "1.2.840.113549.2.7":
		return sha1.New
	case "1.2.840.113549.2.8":
		return sha256.New224
	case "1.2.840.113549.2.9":
		return sha256.New
	case "1.2.840.113549.2.10":
		return sha512.New384
	case "1.2.840.113549.2.11":
		return sha512.New
	default:
		return nil
	}
}

func (most work) deriveScrypt(der, passphrase []byte, size int) ([]byte, error) {
	var p scryptParams
	if err := unmarshalExact(der, &p); err != nil {
		return nil, err
	}
	if p.N < 2 || p.R < 1 || p.P < 1 || p.P > most.scryptLanes || p.N > most.scryptMemory/128/p.R {
		return nil, errors.New("encrypted with scrypt parameters out of bounds")
	}
	return scrypt.Key(passphrase, p.Salt, p.N, p.R, p.P, size)
}

func unpad(plain []byte, blockSize int) ([]byte, error) {
	n := int(plain[len(plain)-1])
	if n == 0 || n > blockSize || !bytes.HasSuffix(plain, bytes.Repeat([]byte{byte(n)}, n)) { //nolint:gosec // n is one byte
		return nil, ErrPassphrase
	}
	return plain[:len(plain)-n], nil
}

// unmarshalExact refuses trailing bytes, and tells no more than where the structure broke.
func unmarshalExact(der []byte, to any) error {
	if rest, err := asn1.Unmarshal(der, to); err != nil || len(rest) > 0 {
		return errors.New("not the ASN.1 of an encrypted PKCS#8 key")
	}
	return nil
}
