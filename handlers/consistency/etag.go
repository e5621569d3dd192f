package consistency

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/grantlog/grantlog/events"
)

// ETag is the entity tag of a revision (RFC 9110 section 8.8.3).
func ETag(revision events.Position) string {
	return `"` + strconv.FormatUint(uint64(revision), 10) + `"`
}

// IfMatch returns the revisions that a request's If-Match names: nil without
// the header and for "*". What is no entity tag of ours, a weak one included,
// names no revision (RFC 9110 section 13.1.1).
func IfMatch(r *http.Request) []events.Position {
	header := r.Header.Values("If-Match")
	if len(header) == 0 || slices.Equal(header, []string{"*"}) {
		return nil
	}
	revisions := []events.Position{}
	for tag := range strings.SplitSeq(strings.Join(header, ","), ",") {
		tag = strings.Trim(tag, " \t")
		n, err := strconv.ParseUint(strings.Trim(tag, `"`), 10, 64)
		if err == nil && ETag(events.Position(n)) == tag {
			revisions = append(revisions, events.Position(n))
		}
	}
	return revisions
}
