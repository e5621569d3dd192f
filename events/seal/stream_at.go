package seal

import (
	"crypto/cipher"
	"errors"
	"io"
)

// A StreamAt reads a sealed stream from anywhere, a segment at a time, of which
// it keeps the last one. It is used by one goroutine.
type StreamAt struct {
	r        io.ReaderAt
	size     int64 // of what is sealed
	segments int64
	aead     cipher.AEAD

	current int64 // the segment that plain is; -1: none
	plain   []byte
	sealed  []byte
}

// OpenStreamAt opens what SealStream sealed under the same key for the same
// record and that takes so many bytes. It makes sure that the stream ends where
// it was closed. Each segment is authenticated when it is read.
func OpenStreamAt(r io.ReaderAt, size int64, key []byte, record string) (*StreamAt, error) {
	salt := make([]byte, saltSize)
	if _, err := r.ReadAt(salt, 0); err != nil {
		return nil, cutShort(err)
	}
	aead, err := streamCipher(key, salt, record)
	if err != nil {
		return nil, err
	}
	const whole = segmentSize + tagSize
	sealed := size - saltSize
	s := &StreamAt{r: r, segments: (sealed + whole - 1) / whole, aead: aead, current: -1, sealed: make([]byte, whole)}
	if s.size = sealed - s.segments*tagSize; s.segments == 0 || s.size < (s.segments-1)*segmentSize {
		return nil, ErrUnseal
	}
	return s, s.load(s.segments - 1)
}

// Size is how much there is to read.
func (s *StreamAt) Size() int64 { return s.size }

// ReadAt is that of io.ReaderAt. What does not open is ErrUnseal.
func (s *StreamAt) ReadAt(b []byte, at int64) (n int, err error) {
	if at < 0 {
		return 0, errors.New("seal: a place before the beginning")
	}
	for n < len(b) {
		if at >= s.size {
			return n, io.EOF
		}
		if err := s.load(at / segmentSize); err != nil {
			return n, err
		}
		copied := copy(b[n:], s.plain[at%segmentSize:])
		n, at = n+copied, at+int64(copied)
	}
	return n, nil
}

// load makes a segment the current one.
func (s *StreamAt) load(segment int64) error {
	if segment == s.current {
		return nil
	}
	s.current = -1
	last := segment == s.segments-1
	sealed := s.sealed
	if last {
		sealed = sealed[:s.size-segment*segmentSize+tagSize]
	}
	if n, err := s.r.ReadAt(sealed, saltSize+segment*(segmentSize+tagSize)); n < len(sealed) {
		return cutShort(err)
	}
	place := segments{aead: s.aead, count: uint64(segment)}
	plain, err := s.aead.Open(s.sealed[:0], place.nonce(last), sealed, nil)
	if err != nil {
		return ErrUnseal
	}
	s.plain, s.current = plain, segment
	return nil
}
