package seal

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
)

// ErrWrongMasterKey reports a data key that does not open: the log was written
// under another master key, or the wrapped key was altered.
var ErrWrongMasterKey = errors.New("seal: the data key does not open under this master key")

var errMaster = errors.New("seal: a master key is 32 bytes in base64 (44 characters)")

// The contexts of HKDF. Those of Derive have a prefix of their own, so that no
// purpose gives the wrap key.
const (
	wrapContext   = "grantlog wrap"
	deriveContext = "grantlog derive "

	wrappedRecord = "data key"
)

// Master is the key that every other key hangs from. The zero Master has no
// key and must not be used.
type Master struct {
	redacted
	key hidden[[]byte]
}

// NewMaster returns a random master key.
func NewMaster() Master {
	key := make([]byte, keySize)
	rand.Read(key)
	return Master{key: hide(key)}
}

// ParseMaster reads what Encode wrote. White space around it is ignored, so
// that a file may end in a line feed. The error does not repeat the text.
func ParseMaster(text string) (Master, error) {
	// The decoder would also skip line breaks inside of the text.
	text = strings.TrimSpace(text)
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != keySize || strings.ContainsAny(text, "\r\n") {
		return Master{}, errMaster
	}
	return Master{key: hide(raw)}, nil
}

// Encode returns the key itself in base64: the content of a master key file.
func (m Master) Encode() string { return base64.StdEncoding.EncodeToString(m.key()) }

// Derive returns the 32-byte key for a purpose, the same every time.
func (m Master) Derive(purpose string) []byte { return m.expand(deriveContext + purpose) }

func (m Master) expand(context string) []byte {
	key, err := hkdf.Key(sha256.New, m.key(), nil, context, keySize)
	if err != nil {
		panic(err) // HKDF fails for lengths above 255 hashes only
	}
	return key
}

// NewDataKey makes a random data key. The wrapped form belongs into the log
// under the same id, of 1 to 255 bytes; only an id of another length is an
// error.
func (m Master) NewDataKey(id string) (wrapped []byte, s *Sealer, err error) {
	wrapper, err := m.wrapper(id)
	if err != nil {
		return nil, nil, err
	}
	key := make([]byte, keySize)
	defer clear(key)
	rand.Read(key)
	if s, err = newSealer(id, key); err != nil {
		return nil, nil, err
	}
	return wrapper.Seal(wrappedRecord, key), s, nil
}

// OpenDataKey opens what NewDataKey wrapped under the same id. Anything else,
// and anything wrapped under another master key, is ErrWrongMasterKey.
func (m Master) OpenDataKey(id string, wrapped []byte) (*Sealer, error) {
	wrapper, err := m.wrapper(id)
	if err != nil {
		return nil, err
	}
	key, err := wrapper.Unseal(wrappedRecord, wrapped)
	if err != nil || len(key) != keySize {
		return nil, ErrWrongMasterKey
	}
	defer clear(key)
	return newSealer(id, key)
}

// wrapper seals a data key as if it were a record.
func (m Master) wrapper(id string) (*Sealer, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return newSealer(id, m.expand(wrapContext))
}
