package sign

import "github.com/grantlog/grantlog/events/seal"

// NewSealer makes a key of its own for an id, wrapped under the data key. It is
// for what must be destroyed by itself: the wrapped form is kept by the caller.
func (v *Vault) NewSealer(id string) (wrapped []byte, s *seal.Sealer, err error) {
	open := v.open()
	if len(open) == 0 {
		return nil, nil, ErrLocked
	}
	return open[0].NewKey(id)
}

// OpenSealer opens what NewSealer wrapped for the id.
func (v *Vault) OpenSealer(id string, wrapped []byte) (s *seal.Sealer, err error) {
	err = ErrLocked
	for _, key := range v.open() {
		if s, err = key.OpenKey(id, wrapped); err == nil {
			return s, nil
		}
	}
	return nil, err
}
