package replay

import (
	"encoding/hex"

	"github.com/grantlog/grantlog/projections"
)

// Summary is what a state holds, in numbers.
type Summary struct {
	AsOf          Bound  `json:"asOf"`
	Organizations int    `json:"organizations"`
	Applications  int    `json:"applications"`
	Services      int    `json:"services"`
	Users         int    `json:"users"`
	LiveTokens    int    `json:"liveTokens"`
	StateHash     string `json:"stateHash"`
}

// Summarize counts what a state holds, and which tokens are live by the time of
// the bound.
func Summarize(s *projections.State, at Bound) Summary {
	sum := Summary{
		AsOf: at, StateHash: HashText(s),
		Organizations: len(s.Organizations.IDs()), Applications: s.Applications.Len(), Users: s.Users.Len(),
	}
	for _, organization := range s.Organizations.IDs() {
		sum.Services += len(s.Services.After(organization, 0, 0))
	}
	for _, client := range Clients(s) {
		sum.LiveTokens += LiveTokens(s, client.ID, at.Time)
	}
	return sum
}

// HashText is the hash of a state in hexadecimal.
func HashText(s *projections.State) string {
	sum := s.Hash()
	return hex.EncodeToString(sum[:])
}
