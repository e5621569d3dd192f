package seal

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A sealed stream is a random salt and segments of segmentSize bytes, each
// AES-256-GCM under a key that is derived from the salt and the record's name.
// The nonce is the number of the segment and whether it is the last one (the
// STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015). So a
// segment that was altered, moved, dropped or added does not open, and neither
// does a stream that was cut, longer, or made for another record.
const (
	streamContext = "grantlog stream "
	saltSize      = 32
	segmentSize   = 64 << 10
	tagSize       = 16
)

var errStreamClosed = errors.New("seal: the stream is closed")

// SealStream returns a writer that seals what it is given for the named record
// and passes it on to w. Close writes the end, without which the stream does
// not open; it does not close w. key is one that Master.Derive gave.
func SealStream(w io.Writer, key []byte, record string) (io.WriteCloser, error) {
	salt := make([]byte, saltSize)
	rand.Read(salt)
	aead, err := streamCipher(key, salt, record)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(salt); err != nil {
		return nil, err
	}
	return &sealWriter{w: w, segments: segments{aead: aead}, plain: make([]byte, 0, segmentSize)}, nil
}

// OpenStream returns a reader of what SealStream sealed under the same key for
// the same record. Nothing is given out before it was authenticated; what does
// not open is ErrUnseal. Who has not read up to io.EOF does not know that the
// stream is whole.
func OpenStream(r io.Reader, key []byte, record string) (io.Reader, error) {
	in := bufio.NewReaderSize(r, segmentSize)
	salt := make([]byte, saltSize)
	if _, err := io.ReadFull(in, salt); err != nil {
		return nil, cutShort(err)
	}
	aead, err := streamCipher(key, salt, record)
	if err != nil {
		return nil, err
	}
	return &sealReader{r: in, segments: segments{aead: aead}, sealed: make([]byte, segmentSize+tagSize)}, nil
}

func streamCipher(key, salt []byte, record string) (cipher.AEAD, error) {
	own, err := hkdf.Key(sha256.New, key, salt, streamContext+record, keySize)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	defer clear(own)
	block, err := aes.NewCipher(own)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return cipher.NewGCM(block)
}

// segments numbers the segments of a stream.
type segments struct {
	aead  cipher.AEAD
	count uint64
}

// nonce is that of the next segment.
func (s *segments) nonce(last bool) []byte {
	nonce := make([]byte, s.aead.NonceSize())
	binary.BigEndian.PutUint64(nonce[len(nonce)-9:], s.count)
	if last {
		nonce[len(nonce)-1] = 1
	}
	s.count++
	return nonce
}

type sealWriter struct {
	segments
	w      io.Writer
	plain  []byte // less than a segment, or one that may turn out to be the last
	sealed []byte // reused
	err    error
}

func (s *sealWriter) Write(b []byte) (n int, err error) {
	for len(b) > 0 && s.err == nil {
		if len(s.plain) == segmentSize {
			s.flush(false)
			continue
		}
		taken := min(len(b), segmentSize-len(s.plain))
		s.plain = append(s.plain, b[:taken]...)
		b, n = b[taken:], n+taken
	}
	return n, s.err
}

func (s *sealWriter) flush(last bool) {
	s.sealed = s.aead.Seal(s.sealed[:0], s.nonce(last), s.plain, nil)
	s.plain = s.plain[:0]
	_, s.err = s.w.Write(s.sealed)
}

func (s *sealWriter) Close() error {
	if s.err != nil {
		return s.err
	}
	if s.flush(true); s.err != nil {
		return s.err
	}
	s.err = errStreamClosed
	return nil
}

type sealReader struct {
	segments
	r      *bufio.Reader
	plain  []byte // not given out yet
	sealed []byte // reused, room for one segment
	err    error  // once plain is given out
}

func (s *sealReader) Read(b []byte) (int, error) {
	for len(s.plain) == 0 && s.err == nil {
		s.plain, s.err = s.open()
	}
	if len(s.plain) == 0 {
		return 0, s.err
	}
	n := copy(b, s.plain)
	s.plain = s.plain[n:]
	return n, nil
}

// open returns the next segment, and io.EOF with the last one.
func (s *sealReader) open() ([]byte, error) {
	n, err := io.ReadFull(s.r, s.sealed)
	if err != nil && err != io.ErrUnexpectedEOF {
		return nil, cutShort(err)
	}
	last := err != nil
	if !last {
		switch _, err := s.r.Peek(1); {
		case err == io.EOF:
			last = true
		case err != nil:
			return nil, err
		}
	}
	plain, err := s.aead.Open(s.sealed[:0], s.nonce(last), s.sealed[:n], nil)
	if err != nil {
		return nil, ErrUnseal
	}
	if last {
		return plain, io.EOF
	}
	return plain, nil
}

// cutShort is the error of a stream that ends too early.
func cutShort(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return ErrUnseal
	}
	return err
}
