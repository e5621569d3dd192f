package events

import (
	"errors"
	"strconv"
	"strings"
)

// Mark is a position that somebody was told. Where a log was restored from a
// backup, positions after the backup are given a second time, and Epoch says
// which one is meant: that of the LogRestored which the position stands at or
// after. It is empty before the first one.
type Mark struct {
	Position Position
	Epoch    string
}

// consistencyPrefix tells the format of a Consistency-Token, so that it can
// change.
const consistencyPrefix = "gl1-"

const (
	consistencySeparator = "-"
	maxEpoch             = 16
)

var errConsistencyToken = errors.New("events: not a Consistency-Token")

// ConsistencyToken is the mark as the Consistency-Token header has it: opaque to
// clients, who send back what they got.
func (m Mark) ConsistencyToken() string {
	token := consistencyPrefix + strconv.FormatUint(uint64(m.Position), 36)
	if m.Epoch != "" {
		token += consistencySeparator + m.Epoch
	}
	return token
}

// ParseConsistencyToken reads what ConsistencyToken wrote.
func ParseConsistencyToken(token string) (Mark, error) {
	rest, ok := strings.CutPrefix(token, consistencyPrefix)
	digits, epoch, later := strings.Cut(rest, consistencySeparator)
	n, err := strconv.ParseUint(digits, 36, 64)
	if !ok || err != nil || later && !IsEpoch(epoch) {
		return Mark{}, errConsistencyToken
	}
	return Mark{Position(n), epoch}, nil
}

// IsEpoch reports whether a text has the form of an epoch's id: what is safe in
// headers, and in what clients compose of it.
func IsEpoch(id string) bool {
	for i := range len(id) {
		if c := id[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return id != "" && len(id) <= maxEpoch
}
