package authn

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// maxToken bounds the tokens that are looked at, in bytes.
const maxToken = 8 << 10

// Checked is what the log says of a token string.
type Checked struct {
	Token    projections.Token
	Liveness projections.Liveness
	// Claims is the token's JSON payload, when Liveness is not Unknown.
	Claims []byte
}

// Digest is how the log recognizes a token.
func Digest[T string | []byte](token T) (d events.TokenDigest) {
	sum := sha256.Sum256([]byte(token))
	copy(d[:], sum[:])
	return d
}

// Token looks a token up. The exact string must have been issued, so a found
// token needs no signature check. One that this replica has not seen is
// believed only as far as its signature: then the replica waits once for
// everything the log holds, and looks again. An error means that the log could
// not be asked; the token may be good.
func (a *Authenticator) Token(ctx context.Context, token string) (Checked, error) {
	claims, id, ok := Peek(nil, token)
	if !ok {
		return Checked{}, nil
	}
	checked := a.lookup(token, id, claims)
	if checked.Liveness != projections.Unknown {
		return checked, nil
	}
	verified, err := a.Verify(token)
	if err != nil {
		return Checked{}, nil // not ours: no error of the server
	}
	if expired(verified, a.Now()) {
		return Checked{Liveness: projections.Expired, Claims: verified}, nil
	}
	if err := a.CatchUp(ctx); err != nil {
		return Checked{}, err
	}
	return a.lookup(token, id, claims), nil
}

func (a *Authenticator) lookup(token string, id events.TokenID, claims []byte) Checked {
	var c Checked
	digest, now := Digest(token), a.Now()
	a.View(func(s *projections.State) { c.Token, c.Liveness = s.Lookup(id, digest, now) })
	return c.with(claims)
}

// TokenAt looks a token up in a state of the past, by the lookup of that
// moment; see projections.State.Lookup. That state holds every token that
// counted: there is nothing to wait for.
func TokenAt(lookup func(events.TokenID, events.TokenDigest) (projections.Token, projections.Liveness, error), token string) (c Checked, err error) {
	claims, id, ok := Peek(nil, token)
	if !ok {
		return Checked{}, nil
	}
	c.Token, c.Liveness, err = lookup(id, Digest(token))
	return c.with(claims), err
}

// with adds the claims of a token that was issued.
func (c Checked) with(claims []byte) Checked {
	if c.Liveness != projections.Unknown {
		c.Claims = claims
	}
	return c
}

// Peek decodes the payload of a compact JWS behind dst and finds the jti in it,
// without believing either: State.Lookup with the token's Digest says whether
// it was issued. The first "jti" member is the top-level one in every token
// that grantlog makes; in any other token the digest will not match.
func Peek(dst []byte, token string) (claims []byte, id events.TokenID, ok bool) {
	if len(token) > maxToken {
		return nil, id, false
	}
	_, rest, found := strings.Cut(token, ".")
	payload, signature, found2 := strings.Cut(rest, ".")
	if !found || !found2 || strings.Contains(signature, ".") {
		return nil, id, false
	}
	claims, err := base64.RawURLEncoding.AppendDecode(dst, []byte(payload))
	if err != nil {
		return nil, id, false
	}
	_, after, found := bytes.Cut(claims, []byte(`"jti":"`))
	if !found || len(after) < 32 {
		return nil, id, false
	}
	id, err = events.ParseTokenID(string(after[:32]))
	return claims, id, err == nil
}

func expired(claims []byte, now time.Time) bool {
	var c struct {
		Expires int64 `json:"exp"`
	}
	return json.Unmarshal(claims, &c) != nil || now.Unix() >= c.Expires
}
