package seal

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func newDataKey(tb testing.TB, m Master, id string) ([]byte, *Sealer) {
	tb.Helper()
	wrapped, s, err := m.NewDataKey(id)
	if err != nil {
		tb.Fatal(err)
	}
	return wrapped, s
}

func TestSealRoundTrip(t *testing.T) {
	master := NewMaster()
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringN(1, 60, 255).Draw(t, "id")
		record := rapid.String().Draw(t, "record")
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		wrapped, s, err := master.NewDataKey(id)
		if err != nil {
			t.Fatal(err)
		}
		sealed := s.Seal(record, plain)
		if again := s.Seal(record, plain); bytes.Equal(sealed, again) {
			t.Error("sealed the same value into the same bytes")
		}
		opened, err := master.OpenDataKey(id, wrapped)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := opened.Unseal(record, sealed); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("opened to %x: %v", got, err)
		}
	})
}

func TestUnsealRefuses(t *testing.T) {
	master := NewMaster()
	_, s := newDataKey(t, master, "d_1")
	_, sameID := newDataKey(t, master, "d_1")
	plain := []byte("a private key")
	sealed := s.Seal("key/k_1", plain)

	refused := func(what string, s *Sealer, record string, sealed []byte) {
		t.Helper()
		if got, err := s.Unseal(record, sealed); !errors.Is(err, ErrUnseal) || got != nil {
			t.Errorf("%s: opened to %x, error %v", what, got, err)
		}
	}
	refused("another record", s, "key/k_2", sealed)
	refused("no record", s, "", sealed)
	refused("another data key", sameID, "key/k_1", sealed)
	refused("nothing", s, "key/k_1", nil)
	refused("a byte more", s, "key/k_1", append(bytes.Clone(sealed), 0))
	refused("without the form", s, "key/k_1", sealed[1:])
	for i := range sealed {
		refused("cut", s, "key/k_1", sealed[:i])
		for bit := range 8 {
			flipped := bytes.Clone(sealed)
			flipped[i] ^= 1 << bit
			refused("a bit flipped", s, "key/k_1", flipped)
		}
	}
	if got, err := s.Unseal("key/k_1", sealed); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("the value itself: opened to %x, error %v", got, err)
	}
}

// The same key under another id, or with the border between id and record
// moved, is another binding.
func TestIDIsBound(t *testing.T) {
	key := bytes.Repeat([]byte{7}, keySize)
	sealer := func(id string) *Sealer {
		s, err := newSealer(id, key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	sealed := sealer("ab").Seal("c", nil)
	for _, c := range []struct{ id, record string }{{"a", "bc"}, {"abc", ""}, {"aB", "c"}} {
		if _, err := sealer(c.id).Unseal(c.record, sealed); !errors.Is(err, ErrUnseal) {
			t.Errorf("sealed for ab and c, opened for %s and %s: %v", c.id, c.record, err)
		}
	}
	if _, err := sealer("ab").Unseal("c", sealed); err != nil {
		t.Error(err)
	}
}

func TestSealedForm(t *testing.T) {
	_, s := newDataKey(t, NewMaster(), "d_1")
	sealed := s.Seal("r", make([]byte, 100))
	if len(sealed) != 1+12+100+16 || sealed[0] != formAESGCM {
		t.Errorf("%d bytes, form %d", len(sealed), sealed[0])
	}
	if bytes.Contains(sealed, make([]byte, 16)) {
		t.Error("the plain value shows")
	}
}

func TestDataKeyRefuses(t *testing.T) {
	master := NewMaster()
	wrapped, s := newDataKey(t, master, "d_1")

	refused := func(what string, m Master, id string, wrapped []byte) {
		t.Helper()
		if got, err := m.OpenDataKey(id, wrapped); !errors.Is(err, ErrWrongMasterKey) || got != nil {
			t.Errorf("%s: error %v", what, err)
		}
	}
	refused("another master key", NewMaster(), "d_1", wrapped)
	refused("another id", master, "d_2", wrapped)
	refused("nothing", master, "d_1", nil)
	refused("a record of the data key", master, "d_1", s.Seal(wrappedRecord, make([]byte, keySize)))
	for i := range wrapped {
		refused("cut", master, "d_1", wrapped[:i])
		flipped := bytes.Clone(wrapped)
		flipped[i] ^= 0x40
		refused("a byte changed", master, "d_1", flipped)
	}
	wrapper, err := master.wrapper("d_1")
	if err != nil {
		t.Fatal(err)
	}
	refused("a short key", master, "d_1", wrapper.Seal(wrappedRecord, make([]byte, 16)))

	for _, id := range []string{"", strings.Repeat("x", 256)} {
		if _, _, err := master.NewDataKey(id); err == nil {
			t.Errorf("made a data key of an id of %d bytes", len(id))
		}
		if _, err := master.OpenDataKey(id, wrapped); err == nil {
			t.Errorf("opened a data key of an id of %d bytes", len(id))
		}
	}
}

// Sealed values stay readable: these were made by the first version.
func TestOldSealedValuesOpen(t *testing.T) {
	master, err := ParseMaster(oldMaster)
	if err != nil {
		t.Fatal(err)
	}
	s, err := master.OpenDataKey("d_1", unhex(t, oldWrapped))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Unseal("key/k_1", unhex(t, oldSealed)); err != nil || string(got) != "a private key" {
		t.Errorf("opened to %q: %v", got, err)
	}
}

func FuzzUnseal(f *testing.F) {
	master, err := ParseMaster(oldMaster)
	if err != nil {
		f.Fatal(err)
	}
	_, s := newDataKey(f, master, "d_1")
	f.Add("key/k_1", s.Seal("key/k_1", nil))
	f.Add("", []byte{formAESGCM})
	f.Fuzz(func(t *testing.T, record string, sealed []byte) {
		if _, err := s.Unseal(record, sealed); err != nil && !errors.Is(err, ErrUnseal) {
			t.Error(err)
		}
		if _, err := master.OpenDataKey("d_1", sealed); err != nil && !errors.Is(err, ErrWrongMasterKey) {
			t.Error(err)
		}
	})
}
