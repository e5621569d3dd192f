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

// timeLayout is what appendTime writes, with any digit for a 0.
const timeLayout = "0000-00-00T00:00:00.000000Z"

// parseTime reads what appendTime writes, and nothing else.
func parseTime(s string) (time.Time, bool) {
	if len(s) != len(timeLayout) {
		return time.Time{}, false
	}
	for i := range len(timeLayout) {
		if c := s[i]; timeLayout[i] == '0' && c-'0' > 9 || timeLayout[i] != '0' && c != timeLayout[i] {
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

// lastSecond is the second of the time that was read last: a page has many
// events of one second, and the calendar is slow.
type lastSecond struct {
	text  string // as it is written; must not change
	begin time.Time
}

// parse is parseTime.
func (l *lastSecond) parse(s string) (time.Time, bool) {
	const point = len("0000-00-00T00:00:00")
	if len(s) == len(timeLayout) && s[:point] == l.text {
		micros, ok := parseMicros(s[point:])
		return l.begin.Add(time.Duration(micros) * time.Microsecond), ok
	}
	t, ok := parseTime(s)
	if ok {
		*l = lastSecond{s[:point], t.Truncate(time.Second)}
	}
	return t, ok
}

// parseMicros reads ".000000Z".
func parseMicros(s string) (n int, ok bool) {
	for i := 1; i <= 6; i++ {
		digit := s[i] - '0'
		if digit > 9 {
			return 0, false
		}
		n = n*10 + int(digit)
	}
	return n, s[0] == '.' && s[7] == 'Z'
}
