package seal

import (
	"errors"
	"strings"
	"testing"
)

func TestWrappedKeys(t *testing.T) {
	_, data := newDataKey(t, NewMaster(), "d_1")
	_, other := newDataKey(t, NewMaster(), "d_1")
	wrapped, key, err := data.NewKey("u_1")
	if err != nil {
		t.Fatal(err)
	}
	sealed := key.Seal("email", []byte("agent@example.com"))
	again, err := data.OpenKey("u_1", wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := again.Unseal("email", sealed); string(plain) != "agent@example.com" {
		t.Errorf("%q, %v", plain, err)
	}
	altered := append([]byte{}, wrapped...)
	altered[len(altered)-1] ^= 1
	for name, open := range map[string]func() (*Sealer, error){
		"another id":       func() (*Sealer, error) { return data.OpenKey("u_2", wrapped) },
		"another data key": func() (*Sealer, error) { return other.OpenKey("u_1", wrapped) },
		"altered":          func() (*Sealer, error) { return data.OpenKey("u_1", altered) },
		"another record":   func() (*Sealer, error) { return data.OpenKey("u_1", data.Seal("key/u_1", make([]byte, keySize))) },
		"a short key":      func() (*Sealer, error) { return data.OpenKey("u_1", data.Seal(keyRecord("u_1"), make([]byte, 16))) },
		"nothing":          func() (*Sealer, error) { return data.OpenKey("u_1", nil) },
	} {
		if _, err := open(); !errors.Is(err, ErrUnseal) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := data.Unseal("email", sealed); !errors.Is(err, ErrUnseal) {
		t.Errorf("opened with the data key: %v", err)
	}
	for _, id := range []string{"", strings.Repeat("x", 256)} {
		if _, _, err := data.NewKey(id); err == nil {
			t.Errorf("a key for an id of %d bytes", len(id))
		}
	}
}
