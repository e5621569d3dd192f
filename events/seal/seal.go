// Package seal owns encryption at rest: signing keys, provider tokens and
// personal data are sealed before they become part of an event, because the
// log keeps every byte forever and shows it to every reader.
//
// The hierarchy of keys has three levels:
//
//	master key    32 random bytes, in a file (0600) or the environment; never in the log
//	├─ wrap key      HKDF-SHA256 (RFC 5869); wraps data keys; never leaves this package
//	├─ Derive(…)     HKDF-SHA256, one key per purpose: the MAC of records, the
//	│                pepper of client secrets, the authentication of cursors, the
//	│                seal of snapshots
//	└─ data key      32 random bytes, in the log, wrapped under the wrap key
//	   ├─ records    sealed with AES-256-GCM under the data key
//	   └─ wrapped keys  of one person each, kept where they can be destroyed
//
// A derived key does not tell the master key, nor another purpose's key. A new
// master key needs the data keys wrapped again, not the records sealed again.
//
// A sealed value is bound to the id of its data key and to the name of the
// record it stands in, such as "key/k_1": moved to another record it does not
// open. Nothing here is secret but keys and plain values; names and ids are
// authenticated, not hidden.
//
// What is too large for one value is sealed as a stream under a derived key.
//
// Master and Sealer print as "[redacted]" however they are formatted, logged or
// marshaled. Both are safe for concurrent use.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
)

// ErrUnseal reports a value that does not open: it was altered, cut, sealed
// for another record or under another data key. Which of these is not said.
var ErrUnseal = errors.New("seal: the sealed value does not open")

const (
	keySize = 32 // bytes of every key: AES-256 and SHA-256

	// formAESGCM is the first byte of a sealed value: AES-256-GCM, a random
	// 96-bit nonce, the ciphertext, a 128-bit tag.
	formAESGCM = 1
)

// Sealer seals and unseals records under one data key. Its nonces are random,
// so one data key is good for 2^32 values (NIST SP 800-38D section 8.3).
type Sealer struct {
	redacted
	id   string
	aead hidden[cipher.AEAD]
}

// newSealer takes a key of keySize bytes and an id that checkID accepts.
func newSealer(id string, key []byte) (*Sealer, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return &Sealer{id: id, aead: hide(aead)}, nil
}

// Seal encrypts plain for the named record. Sealing the same value again gives
// other bytes.
func (s *Sealer) Seal(record string, plain []byte) []byte {
	aead := s.aead()
	sealed := make([]byte, 1, 1+len(plain)+aead.Overhead())
	sealed[0] = formAESGCM
	return aead.Seal(sealed, nil, plain, s.bound(record))
}

// Unseal decrypts what Seal made for the same record. Its only error is
// ErrUnseal.
func (s *Sealer) Unseal(record string, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != formAESGCM {
		return nil, ErrUnseal
	}
	plain, err := s.aead().Open(nil, nil, sealed[1:], s.bound(record))
	if err != nil {
		return nil, ErrUnseal
	}
	return plain, nil
}

// bound is the additional data: the form, the key's id with its length before
// it, so that no other pair of id and record gives the same bytes, the record.
func (s *Sealer) bound(record string) []byte {
	b := make([]byte, 0, 2+len(s.id)+len(record))
	b = append(b, formAESGCM, byte(len(s.id)))
	b = append(b, s.id...)
	return append(b, record...)
}

// checkID reports an id whose length does not fit in the byte that bound has
// for it.
func checkID(id string) error {
	if id == "" || len(id) > 255 {
		return fmt.Errorf("seal: data key id of %d bytes, want 1 to 255", len(id))
	}
	return nil
}
