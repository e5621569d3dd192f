package events

// LogRestored starts an epoch: the log up to From came out of a backup, and
// whatever stood after it then is lost. Positions after From are given a second
// time; the epoch tells the two apart.
type LogRestored struct {
	ID   string   `json:"epoch"`
	From Position `json:"from"` // last record of the backup
	// TokensKept: tokens that the log shows live go on. Else every organization
	// gets an event that ends its tokens: some were revoked in what is lost.
	TokensKept bool `json:"tokensKept,omitempty"`
}

// OrganizationTokensRevoked ends every token and every family of refresh tokens
// of an organization that began before.
type OrganizationTokensRevoked struct {
	ID     string `json:"id"`
	Reason string `json:"reason,omitempty"`
}

// The stable names.
func (*LogRestored) EventType() Type               { return "log.restored" }
func (*OrganizationTokensRevoked) EventType() Type { return "organization.tokens_revoked" }
