package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/grantlog/grantlog/events/seal"
)

const segment = 64<<10 + 16 // of a sealed stream, after 32 bytes of salt

func sealStream(t testing.TB, key []byte, record string, plain []byte) []byte {
	t.Helper()
	var sealed bytes.Buffer
	w, err := seal.SealStream(&sealed, key, record)
	if err != nil {
		t.Fatal(err)
	}
	// In pieces of a size that no segment is a multiple of.
	for piece := range slices.Chunk(plain, 10_007) {
		if n, err := w.Write(piece); err != nil || n != len(piece) {
			t.Fatalf("wrote %d of %d: %v", n, len(piece), err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return sealed.Bytes()
}

func openStream(sealed, key []byte, record string) ([]byte, error) {
	r, err := seal.OpenStream(bytes.NewReader(sealed), key, record)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func numbered(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i >> 8)
	}
	return b
}

func TestStreamsOpen(t *testing.T) {
	key := seal.NewMaster().Derive("test")
	for _, size := range []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 128 << 10, 300_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			plain := numbered(size)
			sealed := sealStream(t, key, "r", plain)
			got, err := openStream(sealed, key, "r")
			if err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if size >= 1000 && bytes.Contains(sealed, plain[:100]) {
				t.Error("the stream shows what it seals")
			}
			if again := sealStream(t, key, "r", plain); bytes.Equal(again[32:], sealed[32:]) {
				t.Error("sealed twice, it is the same")
			}
			r, err := seal.OpenStream(iotest.OneByteReader(bytes.NewReader(sealed)), key, "r")
			if err != nil {
				t.Fatal(err)
			}
			if err := iotest.TestReader(r, plain); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestStreamsThatAreNotWhatWasSealed(t *testing.T) {
	key := seal.NewMaster().Derive("test")
	plain := numbered(3*64<<10 + 5)
	whole := sealStream(t, key, "r", plain)
	at := func(i int) int { return 32 + i*segment }
	for name, altered := range map[string][]byte{
		"nothing":              nil,
		"salt only":            whole[:32],
		"cut in the salt":      whole[:31],
		"cut in a segment":     whole[:at(1)+7],
		"cut after a segment":  whole[:at(2)],
		"without its last":     whole[:at(3)],
		"cut by one byte":      whole[:len(whole)-1],
		"longer":               append(slices.Clone(whole), 0),
		"first dropped":        slices.Concat(whole[:32], whole[at(1):]),
		"swapped":              slices.Concat(whole[:32], whole[at(1):at(2)], whole[:at(1)][32:], whole[at(2):]),
		"repeated":             slices.Concat(whole[:at(1)], whole[32:]),
		"another's first part": slices.Concat(sealStream(t, key, "r", plain)[:at(1)], whole[at(1):]),
	} {
		if got, err := openStream(altered, key, "r"); !errors.Is(err, seal.ErrUnseal) || !bytes.HasPrefix(plain, got) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	for _, i := range []int{0, 31, 32, at(1) - 1, at(1), at(2) + 100, len(whole) - 1} {
		altered := slices.Clone(whole)
		altered[i] ^= 1
		if got, err := openStream(altered, key, "r"); !errors.Is(err, seal.ErrUnseal) || !bytes.HasPrefix(plain, got) {
			t.Errorf("byte %d: %d bytes, %v", i, len(got), err)
		}
	}
	if _, err := openStream(whole, key, "other"); !errors.Is(err, seal.ErrUnseal) {
		t.Errorf("for another record: %v", err)
	}
	if _, err := openStream(whole, seal.NewMaster().Derive("test"), "r"); !errors.Is(err, seal.ErrUnseal) {
		t.Errorf("under another key: %v", err)
	}
}

func TestStreamsPassErrorsOn(t *testing.T) {
	key := seal.NewMaster().Derive("test")
	broken := errors.New("broken")
	whole := sealStream(t, key, "r", numbered(200_000))
	r, err := seal.OpenStream(io.MultiReader(bytes.NewReader(whole[:100_000]), iotest.ErrReader(broken)), key, "r")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); !errors.Is(err, broken) {
		t.Errorf("reading: %v", err)
	}
	w, err := seal.SealStream(io.Discard, key, "r")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("a closed stream takes more")
	}
}

func BenchmarkStream(b *testing.B) {
	key := seal.NewMaster().Derive("test")
	plain := numbered(16 << 20)
	sealed := sealStream(b, key, "r", plain)
	b.Run("seal", func(b *testing.B) {
		b.SetBytes(int64(len(plain)))
		for b.Loop() {
			w, err := seal.SealStream(io.Discard, key, "r")
			if err != nil {
				b.Fatal(err)
			}
			if _, err := w.Write(plain); err != nil {
				b.Fatal(err)
			}
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		b.SetBytes(int64(len(plain)))
		for b.Loop() {
			r, err := seal.OpenStream(bytes.NewReader(sealed), key, "r")
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r); err != nil {
				b.Fatal(err)
			}
		}
	})
}
