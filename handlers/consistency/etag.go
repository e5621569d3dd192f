package consistency

import (
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
)

// ETag is the entity tag of a revision (RFC 9110 section 8.8.3), with its epoch
// where the log was restored before it: revisions are given twice then.
func ETag(c echo.Context, revision events.Position) string {
	tag := `"` + strconv.FormatUint(uint64(revision), 10)
	if epoch := markOf(c, revision).Epoch; epoch != "" {
		tag += epochMark + epoch
	}
	return tag + `"`
}

const epochMark = "~"

// IfMatch returns the revisions that a request's If-Match names: nil without
// the header and for "*". What is no entity tag of ours, a weak one included,
// names no revision (RFC 9110 section 13.1.1).
func IfMatch(c echo.Context) []events.Position {
	header := c.Request().Header.Values("If-Match")
	if len(header) == 0 || slices.Equal(header, []string{"*"}) {
		return nil
	}
	revisions := []events.Position{}
	for tag := range strings.SplitSeq(strings.Join(header, ","), ",") {
		tag = strings.Trim(tag, " \t")
		number, _, _ := strings.Cut(strings.Trim(tag, `"`), epochMark)
		n, err := strconv.ParseUint(number, 10, 64)
		if err == nil && ETag(c, events.Position(n)) == tag {
			revisions = append(revisions, events.Position(n))
		}
	}
	return revisions
}
