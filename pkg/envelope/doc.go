// Package envelope is the sealed form of a StudioML request: encrypted for the cluster and signed by its sender.
//
// It stands at three places of a request's path. A client makes an envelope ([New]); the bridge finds out what it has
// got ([Detect], [Parse]) and who sent it ([Message.Verify]), with public keys only; the executor, which alone holds
// the private key, verifies once more and then opens it ([Message.Open]). Reports to experimenters use the payload
// alone ([Seal], [Open]).
//
// # Delivery
//
// Everything here is a pure function of its arguments, so every error is permanent: the same bytes fail again with the
// same keys. Callers dead-letter and never requeue. Branch with [errors.Is] on [ErrMalformed], [ErrUnsigned],
// [ErrWrongKey], [ErrBadSignature] and [ErrUndecryptable]; for key files also on [ErrPassphrase]. No error, and no
// private key given to fmt, slog or encoding/json, shows key material, a passphrase or a byte of the inner request.
//
// Verification and decryption are separate calls, and verification comes first: whoever holds the public encryption
// key, which is no secret, can seal anything.
//
//	m, err := envelope.Parse(body)              // ErrMalformed
//	…
//	err = m.Verify(keysOfTheQueue...)           // ErrUnsigned, ErrWrongKey, ErrBadSignature
//	…
//	inner, err := m.Open(current, previous)     // ErrUndecryptable
//
// # The envelope
//
// A JSON object; names are matched exactly, unknown members are ignored, the last of equal names counts:
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
// absent or null. Some senders write pthonver for pythonver; both are read, pythonver is written and takes precedence.
//
// # The payload
//
// Two parts joined by one comma, each in the standard base64 alphabet (RFC 4648 section 4) with padding and without
// line breaks. To make one:
//
//  1. Draw 32 random bytes, the session key, and 24 random bytes, the nonce; never use either twice.
//  2. Part 1 is the session key under RSAES-OAEP (RFC 8017 section 7.1) with SHA-256, MGF1 with SHA-256 and an empty
//     label: as many bytes as the RSA modulus. Any modulus of 1024 to 16384 bits will do; 4096 is usual.
//  3. Part 2 is the nonce followed by the NaCl secretbox (XSalsa20, Poly1305) of the inner request under the session
//     key and that nonce: 24 + 16 + n bytes for n bytes of UTF-8 JSON.
//
// # The signature
//
// Ed25519 (RFC 8032, no pre-hash) over the ASCII bytes of the whole payload string as it stands in the JSON value,
// comma included. It does not cover the header, the fingerprint or the queue's name. It is the padded base64 of either
//
//	64 bytes   R ‖ S
//	83 bytes   uint32 11 ‖ "ssh-ed25519" ‖ uint32 64 ‖ R ‖ S      (big endian; the SSH wire form, RFC 8709 section 6)
//
// This package writes the first. The fingerprint names the signing key as OpenSSH does: "SHA256:" and the unpadded
// base64 of SHA-256 over the public key's SSH blob
//
//	51 bytes   uint32 11 ‖ "ssh-ed25519" ‖ uint32 32 ‖ the key's 32 bytes
//
// A fingerprint of none of the accepted keys is refused before any signature is computed. A message without one is
// tried against every accepted key. Several keys are accepted at once so that a key can be replaced: give the current
// one and the previous one, to [Message.Verify] as to [Message.Open].
//
// # Key files
//
//	private, RSA       PEM RSA PRIVATE KEY (PKCS#1), also with the legacy DEK-Info encryption; PRIVATE KEY and
//	                   ENCRYPTED PRIVATE KEY (PKCS#8; PBES2 with PBKDF2 or scrypt, AES-CBC or 3DES-CBC); OPENSSH PRIVATE KEY
//	public, RSA        PEM RSA PUBLIC KEY (PKCS#1), PUBLIC KEY (PKIX); one ssh-rsa line
//	private, Ed25519   PEM OPENSSH PRIVATE KEY, PRIVATE KEY, ENCRYPTED PRIVATE KEY
//	public, Ed25519    one "ssh-ed25519 <base64> comment" line
//
// A passphrase is used byte for byte but for one trailing newline, which the tools that write such files leave there.
//
// The facts come from the code of the clients in the field. testdata/golden.py writes envelopes with PyCryptodome and
// PyNaCl; the tests open what it wrote.
package envelope
