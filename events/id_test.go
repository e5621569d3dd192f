package events

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

func TestTokenIDText(t *testing.T) {
	id := NewTokenID()
	got, err := ParseTokenID(id.String())
	if err != nil || got != id || id == NewTokenID() {
		t.Errorf("%s was read as %s: %v", id, got, err)
	}
	good := strings.Repeat("0a", 16)
	for _, s := range []string{"", good[1:], good + "0a", strings.ToUpper(good), good[:31] + "g", good[:30] + "0\n", " " + good[1:], good[:30] + "é"} {
		if _, err := ParseTokenID(s); err == nil {
			t.Errorf("%q was read as a jti", s)
		}
	}
}

func TestNewIDsAreSafe(t *testing.T) {
	if id := NewID("a_"); CheckSubjectToken(id) != nil || !strings.HasPrefix(id, "a_") || len(id) < 2+26 {
		t.Errorf("%q", id)
	}
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	if id := NewUUID(); !uuid.MatchString(id) || CheckSubjectToken(id) != nil {
		t.Errorf("%q", id)
	}
}

func TestDigestsInJSON(t *testing.T) {
	type all struct {
		Token  TokenDigest
		Secret SecretDigest
		Chain  Chain
	}
	want := all{TokenDigest{1, 0xff}, SecretDigest{2, 0xfe}, Chain{3, 0xfd}}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got all
	if err := json.Unmarshal(b, &got); err != nil || got != want {
		t.Errorf("%s was read as %+v: %v", b, got, err)
	}
	for _, bad := range []string{`{"Token":"00"}`, `{"Chain":"00"}`, `{"Secret":"AA"}`, `{"Secret":"` + strings.Repeat("A", 42) + `B"}`, `{"Secret":"` + strings.Repeat("A", 43) + `="}`} {
		if err := json.Unmarshal([]byte(bad), new(all)); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}
