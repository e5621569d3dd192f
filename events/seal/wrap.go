package seal

import "crypto/rand"

// NewKey makes a random key that hangs from this one: whoever holds the wrapped
// form and this Sealer can open it, and when every copy of the wrapped form is
// destroyed, nobody can. The id, of 1 to 255 bytes, says whose key it is; only
// one of another length is an error.
func (s *Sealer) NewKey(id string) (wrapped []byte, key *Sealer, err error) {
	if err := checkID(id); err != nil {
		return nil, nil, err
	}
	raw := make([]byte, keySize)
	defer clear(raw)
	rand.Read(raw)
	if key, err = newSealer(id, raw); err != nil {
		return nil, nil, err
	}
	return s.Seal(keyRecord(id), raw), key, nil
}

// OpenKey opens what NewKey wrapped under the same id. The error is ErrUnseal.
func (s *Sealer) OpenKey(id string, wrapped []byte) (*Sealer, error) {
	raw, err := s.Unseal(keyRecord(id), wrapped)
	if err != nil || len(raw) != keySize || checkID(id) != nil {
		return nil, ErrUnseal
	}
	defer clear(raw)
	return newSealer(id, raw)
}

func keyRecord(id string) string { return "wrapped key/" + id }
