package personal

import (
	"errors"
	"strings"
	"testing"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/projections"
)

// sealers is a data key that is not in any log.
type sealers struct{ *seal.Sealer }

func (s sealers) NewSealer(id string) ([]byte, *seal.Sealer, error) { return s.NewKey(id) }
func (s sealers) OpenSealer(id string, wrapped []byte) (*seal.Sealer, error) {
	return s.OpenKey(id, wrapped)
}

func newDirectory(t *testing.T) (*Directory, *erasable.Store) {
	t.Helper()
	store, err := erasable.Open(t.Context(), erasable.Config{Conn: journaltest.New(t).Conn})
	if err != nil {
		t.Fatal(err)
	}
	_, key, err := seal.NewMaster().NewDataKey("d_1")
	if err != nil {
		t.Fatal(err)
	}
	return New(store, sealers{key}, make([]byte, 32)), store
}

func TestPeople(t *testing.T) {
	d, store := newDirectory(t)
	ctx := t.Context()
	agent, err := d.Register(ctx, "u1")
	if err != nil {
		t.Fatal(err)
	}
	other, err := d.Register(ctx, "u2")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Register(ctx, "u1"); !errors.Is(err, erasable.ErrExists) {
		t.Errorf("registered twice: %v", err)
	}
	sealed := agent.Seal(Email, "agent@example.com")
	again, err := d.Open(ctx, "u1")
	if err != nil {
		t.Fatal(err)
	}
	if email, err := again.Unseal(Email, sealed); email != "agent@example.com" {
		t.Errorf("%q, %v", email, err)
	}
	if _, err := again.Unseal(Password, sealed); !errors.Is(err, seal.ErrUnseal) {
		t.Errorf("opened as a password: %v", err)
	}
	if _, err := other.Unseal(Email, sealed); !errors.Is(err, seal.ErrUnseal) {
		t.Errorf("opened by another: %v", err)
	}
	// A key that was moved to another person does not open.
	wrapped, err := store.Get(ctx, "key.u1")
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Put(ctx, "key.u3", wrapped); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Open(ctx, "u3"); !errors.Is(err, seal.ErrUnseal) {
		t.Errorf("opened with another's key: %v", err)
	}
	if _, err := d.Open(ctx, "u4"); !errors.Is(err, ErrErased) {
		t.Errorf("without a key: %v", err)
	}

	var users []*projections.User
	for range 50 {
		users = append(users, &projections.User{ID: "u1", UserProfile: events.UserProfile{Email: sealed}}, &projections.User{ID: "u4"})
	}
	emails, err := d.Emails(ctx, users)
	if want := strings.Repeat("agent@example.com,,", 50); err != nil || strings.Join(emails, ",")+"," != want {
		t.Errorf("%q, %v", emails, err)
	}
}

func TestHandlesOfAnAddress(t *testing.T) {
	d, _ := newDirectory(t)
	ctx := t.Context()
	for _, n := range [][3]string{
		{"acme", "Agent@Example.com", "h1"}, {"acme", "agent@example.com", "h2"},
		{"globex", "agent@example.com", "h3"}, {"acme", "other@example.com", "h4"},
	} {
		if err := d.Name(ctx, n[0], n[1], n[2]); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Forget(ctx, "acme", "AGENT@EXAMPLE.COM", "h2"); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][3]string{
		{"acme", "aGENT@example.com", "h1"}, {"globex", "agent@example.com", "h3"}, {"acme", "other@example.com", "h4"},
		{"globex", "other@example.com", ""}, {"acm", "eagent@example.com", ""}, {"acme", "", ""},
	} {
		handles, err := d.Handles(ctx, c[0], c[1])
		if err != nil || strings.Join(handles, " ") != c[2] {
			t.Errorf("%s in %s: %q, %v", c[1], c[0], handles, err)
		}
	}
}

func TestCanonical(t *testing.T) {
	for _, spelled := range []string{"kelvin@example.com", "KELVIN@EXAMPLE.COM", "\u212aelvin@Example.com", "Kelvin@eXample.COM"} {
		if got := Canonical(spelled); got != "kelvin@example.com" {
			t.Errorf("%s is %s", spelled, got)
		}
	}
	if Canonical("a@example.com") == Canonical("b@example.com") {
		t.Error("two addresses are one")
	}
}
