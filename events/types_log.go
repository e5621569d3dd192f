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

// LogArchived says that the log up to a record stands in a file, and may be
// gone here: the log begins with that record from soon after on.
type LogArchived struct {
	From    Position `json:"from"`    // first record of the file
	Through Position `json:"through"` // last record of the file
	Chain   Chain    `json:"chain"`   // after it
	Root    []byte   `json:"root"`    // of the Merkle tree over all records up to it
	State   []byte   `json:"state"`   // hash of the state that they came to
	SHA256  string   `json:"sha256"`  // of the file, in hexadecimal digits
	Bytes   int64    `json:"bytes"`   // of the file
}

// The stable names.
func (*LogRestored) EventType() Type               { return "log.restored" }
func (*LogArchived) EventType() Type               { return "log.archived" }
func (*OrganizationTokensRevoked) EventType() Type { return "organization.tokens_revoked" }
