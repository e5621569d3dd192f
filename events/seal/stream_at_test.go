package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/grantlog/grantlog/events/seal"
)

func openStreamAt(sealed, key []byte, record string) (*seal.StreamAt, error) {
	return seal.OpenStreamAt(bytes.NewReader(sealed), int64(len(sealed)), key, record)
}

func TestStreamsOpenAnywhere(t *testing.T) {
	key := seal.NewMaster().Derive("test")
	for _, size := range []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 128 << 10, 300_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			plain := numbered(size)
			s, err := openStreamAt(sealStream(t, key, "r", plain), key, "r")
			if err != nil || s.Size() != int64(size) {
				t.Fatalf("%v", err)
			}
			whole := bytes.NewReader(plain)
			for _, at := range []int{0, size - 1, size, size + 1, size / 2, 64<<10 - 3, 64 << 10, 3} {
				for _, length := range []int{0, 1, 7, 70_000, size + 1} {
					if at < 0 {
						continue
					}
					want, got := make([]byte, length), make([]byte, length)
					n, wantErr := whole.ReadAt(want, int64(at))
					m, err := s.ReadAt(got, int64(at))
					if length == 0 {
						wantErr = nil
					}
					if n != m || err != wantErr || !bytes.Equal(got[:m], want[:n]) {
						t.Errorf("%d at %d: %d, %v; want %d, %v", length, at, m, err, n, wantErr)
					}
				}
			}
			if _, err := s.ReadAt(nil, -1); err == nil {
				t.Error("something stands before the beginning")
			}
		})
	}
}

func TestStreamsAnywhereThatAreNotWhatWasSealed(t *testing.T) {
	key := seal.NewMaster().Derive("test")
	plain := numbered(3*64<<10 + 5)
	whole := sealStream(t, key, "r", plain)
	at := func(i int) int { return 32 + i*segment }
	altered := map[string][]byte{
		"nothing":             nil,
		"salt only":           whole[:32],
		"cut in the salt":     whole[:31],
		"cut in a segment":    whole[:at(1)+7],
		"cut to a short tag":  whole[:at(3)+7],
		"cut after a segment": whole[:at(2)],
		"without its last":    whole[:at(3)],
		"cut by one byte":     whole[:len(whole)-1],
		"longer":              append(slices.Clone(whole), 0),
		"longer by a segment": append(slices.Clone(whole), make([]byte, segment)...),
		"first dropped":       slices.Concat(whole[:32], whole[at(1):]),
		"swapped":             slices.Concat(whole[:32], whole[at(1):at(2)], whole[:at(1)][32:], whole[at(2):]),
	}
	for _, i := range []int{0, 31, 32, at(1) - 1, at(1), at(2) + 100, len(whole) - 1} {
		b := slices.Clone(whole)
		b[i] ^= 1
		altered[fmt.Sprint("byte ", i)] = b
	}
	for name, b := range altered {
		s, err := openStreamAt(b, key, "r")
		if err == nil {
			_, err = io.ReadAll(io.NewSectionReader(s, 0, s.Size()))
		}
		if !errors.Is(err, seal.ErrUnseal) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := openStreamAt(whole, key, "other"); !errors.Is(err, seal.ErrUnseal) {
		t.Errorf("for another record: %v", err)
	}
	if _, err := openStreamAt(whole, seal.NewMaster().Derive("test"), "r"); !errors.Is(err, seal.ErrUnseal) {
		t.Errorf("under another key: %v", err)
	}
}
