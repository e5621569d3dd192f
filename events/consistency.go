package events

import (
	"errors"
	"strconv"
	"strings"
)

// consistencyPrefix tells the format of a Consistency-Token, so that it can
// change.
const consistencyPrefix = "gl1-"

var errConsistencyToken = errors.New("events: not a Consistency-Token")

// ConsistencyToken is the position as the Consistency-Token header has it:
// opaque to clients, who send back what they got.
func (p Position) ConsistencyToken() string {
	return consistencyPrefix + strconv.FormatUint(uint64(p), 36)
}

// ParseConsistencyToken reads what ConsistencyToken wrote.
func ParseConsistencyToken(token string) (Position, error) {
	digits, ok := strings.CutPrefix(token, consistencyPrefix)
	n, err := strconv.ParseUint(digits, 36, 64)
	if !ok || err != nil {
		return 0, errConsistencyToken
	}
	return Position(n), nil
}
