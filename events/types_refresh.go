package events

// A refresh token stands in these events as the digest of its exact string, as
// an access token does. All refresh tokens that descend from one login are a
// family: of each of them the log shows at most one successor.

// RefreshIssued starts a family with its first token (RFC 6749 section 1.5).
// If the log shows that what it was decided on had ended before, there is no
// such family.
type RefreshIssued struct {
	Family      string      `json:"family"`
	Digest      TokenDigest `json:"digest"`
	Application string      `json:"application"`           // application id
	Secret      int         `json:"secret"`                // secret version, from 1; 0 for a public client
	User        string      `json:"user,omitempty"`        // user id
	UserVersion int         `json:"userVersion,omitempty"` // as in TokenIssued
	Scope       string      `json:"scope"`                 // what refreshed access tokens have at most
	IssuedAt    int64       `json:"issuedAt"`              // Unix seconds: when the user logged in
	ExpiresAt   int64       `json:"expiresAt"`             // Unix seconds: of the whole family, however often it is refreshed
}

// RefreshPresented records that a client presented a refresh token (RFC 6749
// section 6). It has no condition: the log's order says which presentation of
// a token counts, and any but that one and its repetitions ends the family.
//
// The successor is derived from the token and the client's Idempotency-Key, so
// two presentations of one token have one successor if they have one key: the
// key itself is not recorded.
type RefreshPresented struct {
	Family      string      `json:"family"`
	Digest      TokenDigest `json:"digest"`
	Successor   TokenDigest `json:"successor"`
	Repeatable  bool        `json:"repeatable,omitempty"` // the client gave an Idempotency-Key
	Application string      `json:"application"`          // that presented it: the token's own
	Secret      int         `json:"secret"`               // version that it authenticated with
}

// RefreshFamilyEnded ends a family: none of its refresh tokens is good for
// anything any more, and every access token that came from it is dead. The
// reuse of a token ends its family by itself; then this event tells those who
// listen to endings.
type RefreshFamilyEnded struct {
	Family      string `json:"family"`
	Application string `json:"application"`
	ClientID    string `json:"clientId,omitempty"` // for consumers who know clients, not applications
	User        string `json:"user,omitempty"`
	Reason      string `json:"reason,omitempty"`
}

// The stable names.
func (*RefreshIssued) EventType() Type      { return "refresh.issued" }
func (*RefreshPresented) EventType() Type   { return "refresh.presented" }
func (*RefreshFamilyEnded) EventType() Type { return "refresh.family_ended" }
