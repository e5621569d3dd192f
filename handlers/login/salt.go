package login

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/grantlog/grantlog/events/erasable"
)

// salts are one for each day (UTC), the same on all replicas. When a day and
// the next are over its salt is destroyed, and the pairs that the log keeps
// from that day are random numbers: nobody can tell any more who tried to log
// in from where, not even whoever has the master key and a guess.
type salts struct {
	store *erasable.Store
	log   *slog.Logger

	mu    sync.Mutex
	known map[int64][]byte
}

const (
	saltBytes = 32
	saltKey   = "salt" // salt.<day>
)

// dayOf numbers days from 1970 on.
func dayOf(t time.Time) int64 { return t.Unix() / int64(24*time.Hour/time.Second) }

func keyOf(day int64) string { return saltKey + "." + strconv.FormatInt(day, 10) }

// of returns the salt of a day. The first replica that asks makes it.
func (s *salts) of(ctx context.Context, day int64) ([]byte, error) {
	salt, err := s.former(ctx, day)
	if salt != nil || err != nil {
		return salt, err
	}
	salt = make([]byte, saltBytes)
	rand.Read(salt)
	err = s.store.Put(ctx, keyOf(day), salt)
	switch {
	case errors.Is(err, erasable.ErrExists):
		return s.former(ctx, day)
	case err != nil:
		return nil, fmt.Errorf("login: keep a salt: %w", err)
	}
	s.keep(day, salt)
	if err := s.destroy(ctx, day-1); err != nil {
		s.log.Warn("former salts of logins were not destroyed; the next day's first login tries again", "error", err)
	}
	return salt, nil
}

// former returns the salt of a day; nil if it has none.
func (s *salts) former(ctx context.Context, day int64) ([]byte, error) {
	s.mu.Lock()
	salt := s.known[day]
	s.mu.Unlock()
	if salt != nil {
		return salt, nil
	}
	salt, err := s.store.Get(ctx, keyOf(day))
	if errors.Is(err, erasable.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("login: salt: %w", err)
	}
	s.keep(day, salt)
	return salt, nil
}

// keep remembers a salt, and forgets all but that and the one before.
func (s *salts) keep(day int64, salt []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[day] = salt
	for known := range s.known {
		if known < day-1 {
			delete(s.known, known)
		}
	}
}

// destroy erases the salts of the days before one.
func (s *salts) destroy(ctx context.Context, before int64) error {
	days, err := s.store.List(ctx, saltKey)
	if err != nil {
		return err
	}
	for _, text := range days {
		day, err := strconv.ParseInt(text, 10, 64)
		if err != nil || day >= before {
			continue
		}
		if err := s.store.Erase(ctx, keyOf(day)); err != nil {
			return err
		}
	}
	return nil
}
