package tree

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Purpose names the key of a Signer for the derivation from the master key, so
// that every replica signs with the same one.
const Purpose = "checkpoint key"

// A Checkpoint is a head that somebody signed (C2SP tlog-checkpoint).
type Checkpoint struct {
	Origin string // the log's name, which is also the name of its key
	Head
}

// ErrCheckpoint says that a text is not a checkpoint, or not one that the
// expected key signed.
var ErrCheckpoint = errors.New("not a checkpoint of this log")

// Signer signs heads of one log. It is safe for concurrent use.
type Signer struct {
	key      ed25519.PrivateKey
	verifier note.Verifier
	encoded  string
}

// NewSigner returns the signer of a log. seed is 32 bytes derived for Purpose.
func NewSigner(origin string, seed []byte) (*Signer, error) {
	key := ed25519.NewKeyFromSeed(seed)
	encoded, err := note.NewEd25519VerifierKey(origin, key.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, fmt.Errorf("tree: %w", err)
	}
	verifier, err := note.NewVerifier(encoded)
	if err != nil {
		return nil, fmt.Errorf("tree: the origin %q: %w", origin, err)
	}
	return &Signer{key, verifier, encoded}, nil
}

// Origin returns the name of the log of an issuer: the URL below which its
// checkpoints and tiles are served, without the scheme.
func Origin(issuer string) string {
	_, place, _ := strings.Cut(issuer, "://")
	return strings.ReplaceAll(strings.TrimRight(place, "/"), "+", "%2B") + Prefix
}

// Prefix is the path below the issuer where checkpoints and tiles are served.
const Prefix = "/oauth/log"

// VerifierKey is what auditors need to verify checkpoints: name, hash and
// public key, as C2SP's signed notes have them.
func (s *Signer) VerifierKey() string { return s.encoded }

// Name, KeyHash and Sign implement note.Signer.
func (s *Signer) Name() string                     { return s.verifier.Name() }
func (s *Signer) KeyHash() uint32                  { return s.verifier.KeyHash() }
func (s *Signer) Sign(text []byte) ([]byte, error) { return ed25519.Sign(s.key, text), nil }

// Checkpoint signs a head. The same head gives the same text.
func (s *Signer) Checkpoint(h Head) ([]byte, error) {
	return note.Sign(&note.Note{Text: fmt.Sprintf("%s\n%d\n%s\n", s.Name(), h.Size, h.Root)}, s)
}

// OpenCheckpoint reads a checkpoint that was signed with the key of a verifier
// key.
func OpenCheckpoint(text []byte, verifierKey string) (c Checkpoint, err error) {
	verifier, err := note.NewVerifier(verifierKey)
	if err != nil {
		return c, fmt.Errorf("the verifier key %.80q: %w", verifierKey, err)
	}
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return c, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	if c, err = parseCheckpoint(opened.Text); err == nil && c.Origin != verifier.Name() {
		err = fmt.Errorf("%w: it is of %.80q", ErrCheckpoint, c.Origin)
	}
	return c, err
}

// VerifierKeyFor returns a verifier key with the origin in place of its name: a
// log whose issuer was renamed signs with the same key under another name.
func VerifierKeyFor(origin, verifierKey string) (string, error) {
	_, rest, _ := strings.Cut(verifierKey, "+")
	_, encoded, _ := strings.Cut(rest, "+")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if _, other := note.NewVerifier(verifierKey); other != nil || err != nil || len(key) != 1+ed25519.PublicKeySize {
		return "", fmt.Errorf("the verifier key %.80q is malformed", verifierKey)
	}
	return note.NewEd25519VerifierKey(origin, key[1:])
}

// PeekCheckpoint reads a checkpoint without asking who signed it.
func PeekCheckpoint(text []byte) (Checkpoint, error) {
	body, _, _ := strings.Cut(string(text), "\n\n")
	return parseCheckpoint(body + "\n")
}

func parseCheckpoint(text string) (c Checkpoint, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[0] == "" {
		return c, ErrCheckpoint
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return c, fmt.Errorf("%w: its size is malformed", ErrCheckpoint)
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return c, fmt.Errorf("%w: its root is malformed", ErrCheckpoint)
	}
	return Checkpoint{lines[0], Head{size, root}}, nil
}
