package events

import (
	"errors"
	"time"
)

var errTime = errors.New("time not in the form 2006-01-02T15:04:05.000000Z")

// appendTime appends t in UTC, cut to microseconds, in a fixed width.
func appendTime(dst []byte, t time.Time) ([]byte, error) {
	t = t.UTC()
	if y := t.Year(); y < 0 || y > 9999 {
		return dst, errTime
	}
	dst = t.AppendFormat(dst, time.RFC3339)
	micros := t.Nanosecond() / 1000
	dst[len(dst)-1] = '.'
	for unit := 100_000; unit > 0; unit /= 10 {
		dst = append(dst, '0'+byte(micros/unit%10))
	}
	return append(dst, 'Z'), nil
}

// parseTime reads what appendTime writes, and nothing else.
func parseTime(s string) (time.Time, bool) {
	const layout = "0000-00-00T00:00:00.000000Z"
	if len(s) != len(layout) {
		return time.Time{}, false
	}
	for i := range len(layout) {
		if c := s[i]; layout[i] == '0' && c-'0' > 9 || layout[i] != '0' && c != layout[i] {
			return time.Time{}, false
		}
	}
	two := func(i int) int { return int(s[i]-'0')*10 + int(s[i+1]-'0') }
	year, month, day := two(0)*100+two(2), two(5), two(8)
	hour, minute, second := two(11), two(14), two(17)
	micros := two(20)*10_000 + two(22)*100 + two(24)
	t := time.Date(year, time.Month(month), day, hour, minute, second, micros*1000, time.UTC)
	// A date that does not exist, such as February 30, comes out as another.
	exists := t.Day() == day && 1 <= month && month <= 12 && hour < 24 && minute < 60 && second < 60
	return t, exists
}
