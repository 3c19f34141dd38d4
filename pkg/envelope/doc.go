// Package envelope is the sealed form of a StudioML request: encrypted for the cluster and signed by its sender.
//
// It stands at three places of a request's path. A client makes an envelope ([New]); the bridge finds out what it has
// got and who sent it ([Parse], [Message.Verify]), with public keys only; the executor, which alone holds the private
// keys, verifies once more and then opens it ([Message.Open]). Reports to experimenters use the payload alone ([Seal],
// [Open]). What follows suffices to write another client.
//
// # The envelope
//
// A JSON object; names are matched exactly, unknown members are ignored, and the last of equal names
// counts:
//
//	{"message": {
//	  "experiment": {"status": "waiting", "pythonver": "3.6"},
//	  "time_added": 1530054413.13,
//	  "experiment_lifetime": "30m",
//	  "resources_needed": {"cpus": 1, "gpus": 1, "hdd": "3gb", "ram": "2gb", "gpuMem": "4gb"},
//	  "payload": "<base64 RSA block>,<base64 box>",
//	  "fingerprint": "SHA256:<unpadded base64>",
//	  "signature": "<base64>"}}
//
// A body is an envelope when it has an object message that has a member payload. All members but payload, fingerprint
// and signature are the clear header ([Header]): they serve scheduling only, nothing vouches for them, and each may be
// absent or null.
//
//	experiment.status     string; clients write "waiting"
//	experiment.pythonver  string or number; some senders write pthonver, which is read where pythonver is absent
//	time_added            number, seconds since the epoch
//	experiment_lifetime   string, a Go duration
//	resources_needed      the same object as in the inner request: a cluster refuses what would be placed differently
//
// # The payload
//
// The inner request is the UTF-8 JSON that is sent in clear where nothing is sealed: {"experiment": …, "config": …}. The
// payload is two parts joined by one comma, each in the standard base64 alphabet (RFC 4648 section 4) with padding and
// without line breaks. To make one:
//
//  1. Draw 32 random bytes, the session key, and 24 random bytes, the nonce; never use either twice.
//  2. Part 1 is the session key under RSAES-OAEP (RFC 8017 section 7.1) with SHA-256, MGF1 with SHA-256 and an empty
//     label: as many bytes as the RSA modulus, zeros in front included. Any modulus of 1024 to 16384 bits will do; 4096
//     is usual.
//  3. Part 2 is the nonce followed by the NaCl secretbox (XSalsa20, Poly1305) of the inner request under the session
//     key and that nonce.
//
// For n bytes of JSON part 2 stands for n + 40 bytes:
//
//	24 bytes   the nonce
//	16 bytes   the authenticator, in front as crypto_secretbox_easy has it
//	n bytes    the encrypted JSON
//
// The least that is taken are 128 bytes in part 1 and 40 in part 2.
//
// # The signature
//
// Ed25519 (RFC 8032, no pre-hash) over the ASCII bytes of the whole payload string, which is the JSON value without its
// quotes and escapes, comma included. It does not cover the header, the fingerprint or the queue's name. It is the padded
// base64 of either
//
//	64 bytes   R ‖ S
//	83 bytes   uint32 11 ‖ "ssh-ed25519" ‖ uint32 64 ‖ R ‖ S      (big endian; the SSH wire form, RFC 8709 section 6)
//
// This package writes the first. The fingerprint names the signing key as ssh-keygen -l does: "SHA256:" and the unpadded
// base64 of SHA-256 over the public key's SSH blob
//
//	51 bytes   uint32 11 ‖ "ssh-ed25519" ‖ uint32 32 ‖ the key's 32 bytes
//
// A fingerprint of none of the accepted keys is refused before any signature is computed. A message without one is
// tried against every accepted key. Several keys are accepted at once so that a key can be replaced: give the current
// one and the previous one, to [Message.Verify] as to [Message.Open].
//
// # Receiving
//
// Verification and decryption are separate calls, and verification comes first: whoever holds the public encryption
// key, which is no secret, can seal anything.
//
//	m, err := envelope.Parse(body)              // ErrNotEnvelope: a request in clear, or nothing; ErrMalformed
//	…
//	err = m.Verify(keysOfTheQueue...)           // ErrUnsigned, ErrWrongKey, ErrBadSignature
//	…
//	inner, err := m.Open(current, previous)     // ErrUndecryptable
//
// Everything here is a pure function of its arguments, so every error is permanent: the same bytes fail again with the
// same keys. Callers dead-letter and never requeue. Branch with [errors.Is] on the sentinels above; for key files also on
// [ErrPassphrase]. No error, and no private key given to fmt, slog or encoding/json, shows key material, a passphrase or
// a byte of the inner request.
//
// # Comparisons
//
// What is compared with a value that depends on a secret is compared in constant time: the padding of OAEP by crypto/rsa,
// whose one error does not say what was wrong, and the authenticator by secretbox. Of several private keys, time tells
// which one a payload was sealed for; its sender knows. The rest compares what is public: an Ed25519 signature, which is
// checked with public values alone; lengths and base64; and the fingerprint, in constant time all the same. A key file is
// read for its owner, who holds file and passphrase.
//
// # Key files
//
//	private, RSA       PEM RSA PRIVATE KEY (PKCS#1), also with the legacy DEK-Info encryption; PRIVATE KEY and
//	                   ENCRYPTED PRIVATE KEY (PKCS#8; PBES2 with PBKDF2 or scrypt, AES-CBC or 3DES-CBC); OPENSSH PRIVATE KEY
//	public, RSA        PEM RSA PUBLIC KEY (PKCS#1), PUBLIC KEY (PKIX); one ssh-rsa line
//	private, Ed25519   PEM OPENSSH PRIVATE KEY, PRIVATE KEY, ENCRYPTED PRIVATE KEY
//	public, Ed25519    one "ssh-ed25519 <base64> comment" line
//
// A passphrase is used byte for byte but for one trailing newline, which the tools that write such files leave there. A
// file that asks for more work than several times what tools ask for, before its passphrase can be tried, is refused.
//
// The released Python client reads the cluster's public key as RSA PUBLIC KEY or PUBLIC KEY, and its own signing key as an
// OPENSSH PRIVATE KEY without a passphrase.
//
// # Vectors
//
// The facts come from the code of the clients in the field. testdata/golden holds envelopes that this package had no part
// in, their keys and what is sealed in them; testdata/golden.py made them and says how.
//
//	request_plain.pem, request.pub.pem   the request key      (passphrase: that of the other request*.pem)
//	signing, signing.pub                 the signing key
//	python.json, inner.json              by PyCryptodome and PyNaCl, with a raw signature
//	go.json, inner.json                  likewise, with a signature in the SSH wire form, and pthonver
//	client.json, client_inner.json       by the payload builder of studioml 0.0.49
//
// The test TestPythonOpensWhatGoSealsAndGoWhatPythonSeals does the same with fresh keys, in both directions.
package envelope
