package oauth

import (
	"net/http"
	"strings"
	"testing"
)

func TestIdempotencyKey(t *testing.T) {
	long := strings.Repeat("k", 255)
	for _, good := range []string{"k", "8e03978e-40d5-43dd-bc93-6894a57f9324", `"8e03978e-40d5-43dd-bc93-6894a57f9324"`, `"a \" \\ b"`, "a b", `a"b`, long} {
		r := &http.Request{Header: http.Header{"Idempotency-Key": {good}}}
		if key, err := IdempotencyKey(r); err != nil || key != good {
			t.Errorf("%q: %q, %v", good, key, err)
		}
	}
	for _, bad := range [][]string{
		{""}, {" "}, {long + "k"}, {"é"}, {"a\tb"}, {"a\x00"}, {"\x7f"}, {"a", "a"}, {"a", "b"},
		{`"`}, {`""`}, {`"a`}, {`"a"b`}, {`"a";p=1`}, {`"a\"`}, {`"a\b"`}, {`"a", "b"`},
	} {
		r := &http.Request{Header: http.Header{"Idempotency-Key": bad}}
		if key, err := IdempotencyKey(r); err == nil || key != "" {
			t.Errorf("%q is read as %q", bad, key)
		}
	}
	if key, err := IdempotencyKey(&http.Request{}); key != "" || err != nil {
		t.Errorf("without one: %q, %v", key, err)
	}
}
