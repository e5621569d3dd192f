package sign

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/seal"
)

// ErrLocked says that the log shows no data key yet, or none was opened.
var ErrLocked = errors.New("sign: no data key is open")

// Vault holds the data keys of the log, opened with the master key. What it
// seals and unseals are the private halves of signing keys.
type Vault struct {
	master  seal.Master
	sealers atomic.Pointer[[]*seal.Sealer]
}

// NewVault returns a Vault without data keys.
func NewVault(master seal.Master) *Vault { return &Vault{master: master} }

// NewDataKey makes a data key, wrapped under the master key. It counts once the
// log shows it and Open was given it.
func (v *Vault) NewDataKey() (*events.SealingKeyCreated, error) {
	id := events.NewID("d_")
	wrapped, _, err := v.master.NewDataKey(id)
	if err != nil {
		return nil, fmt.Errorf("sign: new data key: %w", err)
	}
	return &events.SealingKeyCreated{ID: id, Wrapped: wrapped}, nil
}

// Open unwraps the log's data keys, in place of those it held. The error is
// seal.ErrWrongMasterKey if the master key is not the one they were made with.
func (v *Vault) Open(wrapped map[string][]byte) error {
	var sealers []*seal.Sealer
	for _, id := range slices.Sorted(maps.Keys(wrapped)) {
		s, err := v.master.OpenDataKey(id, wrapped[id])
		if err != nil {
			return fmt.Errorf("sign: data key %s: %w", id, err)
		}
		sealers = append(sealers, s)
	}
	v.sealers.Store(&sealers)
	return nil
}

// NewKey makes a signing key; see GenerateKey.
func (v *Vault) NewKey(alg string) (*events.KeyCreated, error) {
	open := v.open()
	if len(open) == 0 {
		return nil, ErrLocked
	}
	return GenerateKey(alg, open[0])
}

// Unseal opens what any of the data keys sealed for the record.
func (v *Vault) Unseal(record string, sealed []byte) (plain []byte, err error) {
	err = ErrLocked
	for _, s := range v.open() {
		if plain, err = s.Unseal(record, sealed); err == nil {
			return plain, nil
		}
	}
	return nil, err
}

func (v *Vault) open() []*seal.Sealer {
	if s := v.sealers.Load(); s != nil {
		return *s
	}
	return nil
}
