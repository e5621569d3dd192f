// Package personal owns what the server knows of people in the clear: how their
// data are sealed under a key of each one's own, how somebody is found by an
// email address, and how all of it is destroyed.
//
// The log names a person by a random id, and its address by a random handle.
// Two kinds of entries lead there, both in package erasable, outside of the log:
//
//	key.<id>                the key that the person's data are sealed under,
//	                        wrapped under the log's data key
//	mail.<hash>.<handle>    nothing; <hash> is the address, keyed
//
// An entry of the second kind is written before the event that uses its handle,
// and claims nothing: the state says which user has the handle, if any has. So
// an entry that a crash leaves behind, or a creation that came to nothing, is
// no more than a name for nobody.
package personal

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/projections"
)

// Purpose names the key of address hashes for the derivation from the master
// key. It never changes: every entry of an address depends on it.
const Purpose = "email addresses"

// ErrErased is returned for a person whose key is destroyed.
var ErrErased = errors.New("personal: the person's key is destroyed")

// What is sealed of a person. The names are authenticated with the values.
const (
	Email    = "email"
	Password = "password"
)

// Sealers makes keys and opens them; see sign.Vault.
type Sealers interface {
	NewSealer(id string) (wrapped []byte, s *seal.Sealer, err error)
	OpenSealer(id string, wrapped []byte) (*seal.Sealer, error)
}

// Directory finds, opens and destroys personal data. It is safe for concurrent
// use.
type Directory struct {
	store   *erasable.Store
	sealers Sealers
	key     []byte
}

// New returns a Directory; key is derived for Purpose.
func New(store *erasable.Store, sealers Sealers, key []byte) *Directory {
	return &Directory{store, sealers, key}
}

// Person seals and opens one person's data.
type Person struct{ sealer *seal.Sealer }

// Seal closes a value, one of the kinds above.
func (p Person) Seal(kind, plain string) []byte { return p.sealer.Seal(kind, []byte(plain)) }

// Unseal opens what Seal closed as the same kind. The error is seal.ErrUnseal.
func (p Person) Unseal(kind string, sealed []byte) (string, error) {
	plain, err := p.sealer.Unseal(kind, sealed)
	return string(plain), err
}

func keyOf(user string) string { return "key." + user }

// owner is what a person's key is wrapped for.
func owner(user string) string { return "user/" + user }

// Register makes the key of a new person.
func (d *Directory) Register(ctx context.Context, user string) (Person, error) {
	wrapped, sealer, err := d.sealers.NewSealer(owner(user))
	if err != nil {
		return Person{}, fmt.Errorf("personal: new key: %w", err)
	}
	if err := d.store.Put(ctx, keyOf(user), wrapped); err != nil {
		return Person{}, fmt.Errorf("personal: keep a key: %w", err)
	}
	return Person{sealer}, nil
}

// Open returns the key of a person: ErrErased if it was destroyed.
func (d *Directory) Open(ctx context.Context, user string) (Person, error) {
	wrapped, err := d.store.Get(ctx, keyOf(user))
	if errors.Is(err, erasable.ErrNotFound) {
		return Person{}, ErrErased
	}
	if err != nil {
		return Person{}, fmt.Errorf("personal: key: %w", err)
	}
	sealer, err := d.sealers.OpenSealer(owner(user), wrapped)
	if err != nil {
		return Person{}, fmt.Errorf("personal: key: %w", err)
	}
	return Person{sealer}, nil
}

// openers is how many keys are asked for at once.
const openers = 16

// Emails opens the addresses of many users, in their order; that of one whose
// key is destroyed is empty.
func (d *Directory) Emails(ctx context.Context, users []*projections.User) ([]string, error) {
	emails, errs := make([]string, len(users)), make([]error, len(users))
	next := make(chan int)
	var work sync.WaitGroup
	for range min(openers, len(users)) {
		work.Go(func() {
			for i := range next {
				emails[i], errs[i] = d.Email(ctx, users[i])
			}
		})
	}
	for i := range users {
		next <- i
	}
	close(next)
	work.Wait()
	return emails, errors.Join(errs...)
}

// Email opens a user's address; empty if the key is destroyed.
func (d *Directory) Email(ctx context.Context, u *projections.User) (string, error) {
	person, err := d.Open(ctx, u.ID)
	if errors.Is(err, ErrErased) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return person.Unseal(Email, u.UserProfile.Email)
}

// Canonical returns what all spellings of an address have in common: case does
// not count, not even where only an upper-case form is shared, as the Kelvin
// sign and k have it.
func Canonical(email string) string { return strings.ToLower(strings.ToUpper(email)) }

// hash is the part of a key that stands for an address in an organization.
func (d *Directory) hash(organization, email string) string {
	mac := hmac.New(sha256.New, d.key)
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(organization)))
	mac.Write(length[:])
	mac.Write([]byte(organization))
	mac.Write([]byte(Canonical(email)))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (d *Directory) address(organization, email string) string {
	return "mail." + d.hash(organization, email)
}

// NewHandle returns a random name for an address.
func NewHandle() string { return events.NewID("h_") }

// Name makes an address lead to a handle, among others perhaps.
func (d *Directory) Name(ctx context.Context, organization, email, handle string) error {
	if err := d.store.Put(ctx, d.address(organization, email)+"."+handle, nil); err != nil {
		return fmt.Errorf("personal: name an address: %w", err)
	}
	return nil
}

// Handles returns what an address leads to: everything that was named before
// the call, on whatever replica.
func (d *Directory) Handles(ctx context.Context, organization, email string) ([]string, error) {
	handles, err := d.store.List(ctx, d.address(organization, email))
	if err != nil {
		return nil, fmt.Errorf("personal: look an address up: %w", err)
	}
	return handles, nil
}

// Forget undoes Name.
func (d *Directory) Forget(ctx context.Context, organization, email, handle string) error {
	if err := d.store.Erase(ctx, d.address(organization, email)+"."+handle); err != nil {
		return fmt.Errorf("personal: forget an address: %w", err)
	}
	return nil
}

// Discard undoes Register.
func (d *Directory) Discard(ctx context.Context, user string) error {
	if err := d.store.Erase(ctx, keyOf(user)); err != nil {
		return fmt.Errorf("personal: destroy a key: %w", err)
	}
	return nil
}

// Erase does what the state says is to be destroyed. It may be done again: the
// key, by which the address is found, goes last.
func (d *Directory) Erase(ctx context.Context, e *projections.Erasure) error {
	person, err := d.Open(ctx, e.User)
	if errors.Is(err, ErrErased) {
		return nil
	}
	if err != nil {
		return err
	}
	// An address that does not open cannot be found; its key goes all the same.
	if email, err := person.Unseal(Email, e.Email); err == nil {
		if err := d.Forget(ctx, e.Organization, email, e.Handle); err != nil {
			return err
		}
	}
	if !e.Deleted {
		return nil
	}
	return d.Discard(ctx, e.User)
}
