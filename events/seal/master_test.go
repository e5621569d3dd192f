package seal

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const (
	oldMaster  = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	oldWrapped = "01e5f03bef411a3abf18c2c27fa455244de23b428f8617662c8711d60c4893e258e7db81db3a8c36b4a866aee8052aaced8848924ab13204f1d82fa475"
	oldSealed  = "012b482eb68a90cdf7404256f98715f7c8690501e24e3f93a53d3eb7aac969adbf160881c2d5e1838d77"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMasterRoundTrip(t *testing.T) {
	m := NewMaster()
	for _, text := range []string{m.Encode(), m.Encode() + "\n", " \t" + m.Encode() + "\r\n"} {
		got, err := ParseMaster(text)
		if err != nil || !bytes.Equal(got.key(), m.key()) {
			t.Errorf("read back another key: %v", err)
		}
	}
	if bytes.Equal(NewMaster().key(), m.key()) {
		t.Error("two master keys are the same")
	}
}

func TestParseMasterRefuses(t *testing.T) {
	good := NewMaster().Encode()
	for name, text := range map[string]string{
		"nothing":        "",
		"31 bytes":       base64.StdEncoding.EncodeToString(make([]byte, 31)),
		"33 bytes":       base64.StdEncoding.EncodeToString(make([]byte, 33)),
		"hex":            strings.Repeat("ab", 32),
		"no padding":     strings.TrimRight(good, "="),
		"URL alphabet":   strings.Repeat("-_", 21) + "8=",
		"loose end":      good[:42] + "B=",
		"inner newline":  good[:20] + "\n" + good[20:],
		"inner space":    good[:20] + " " + good[20:],
		"two keys":       good + good,
		"a placeholder":  "changeme-supersecret",
		"NUL at the end": good + "\x00",
	} {
		_, err := ParseMaster(text)
		if err == nil {
			t.Errorf("%s: read as a key", name)
		} else if len(text) > 8 && strings.Contains(err.Error(), text[:8]) {
			t.Errorf("%s: the error repeats the text: %v", name, err)
		}
	}
}

// Derived keys are HKDF of RFC 5869, computed here step by step.
func TestDerive(t *testing.T) {
	m, err := ParseMaster(oldMaster)
	if err != nil {
		t.Fatal(err)
	}
	mac := func(key []byte, parts ...string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(strings.Join(parts, "")))
		return h.Sum(nil)
	}
	want := mac(mac(make([]byte, sha256.Size), string(m.key())), "grantlog derive mac", "\x01")
	if got := m.Derive("mac"); !bytes.Equal(got, want) {
		t.Errorf("derived %x, want %x", got, want)
	}
	seen := map[string]string{
		string(m.key()): "master", string(m.expand(wrapContext)): "wrap", string(NewMaster().Derive("mac")): "another master's",
	}
	for _, purpose := range []string{"", "mac", "mac ", "pepper", "cursor", "wrap", "grantlog wrap"} {
		key := string(m.Derive(purpose))
		if other, ok := seen[key]; ok || len(key) != keySize {
			t.Errorf("%q derives %d bytes, the same as %q", purpose, len(key), other)
		}
		seen[key] = purpose
	}
}

// Nothing that prints shows a key, not even around the types' own methods.
func TestNothingPrintsKeys(t *testing.T) {
	m, err := ParseMaster(oldMaster)
	if err != nil {
		t.Fatal(err)
	}
	_, s := newDataKey(t, m, "d_1")
	type around struct {
		master Master
		sealer *Sealer
		deref  Sealer
	}
	type shown struct {
		Master Master
		Sealer *Sealer
	}
	for name, v := range map[string]any{
		"master": m, "pointer": &m, "sealer": s, "sealer value": *s,
		"in unexported fields": around{m, s, *s}, "pointer to such": &around{m, s, *s},
		"in exported fields": shown{m, s}, "in a list": []any{m, s}, "in a map": map[string]any{"m": m, "s": s},
		"wrapped": fmt.Errorf("start: %v %w", m, fmt.Errorf("%#v", s)),
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "% X", "%d", "%o", "%b", "%c", "%U", "%T", "%p", "%10.3v"} {
			mustNotShow(t, name+" "+verb, m, fmt.Sprintf(verb, v))
		}
		if b, err := json.Marshal(v); err == nil {
			mustNotShow(t, name+" in JSON", m, string(b))
		}
		var text, object bytes.Buffer
		slog.New(slog.NewTextHandler(&text, nil)).Info("m", "key", v, slog.Group("g", "key", v))
		slog.New(slog.NewJSONHandler(&object, nil)).Info("m", "key", v, slog.Group("g", "key", v))
		mustNotShow(t, name+" in slog's text", m, text.String())
		mustNotShow(t, name+" in slog's JSON", m, object.String())
	}
	for _, v := range []any{m, s} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
			if got := fmt.Sprintf(verb, v); got != "[redacted]" {
				t.Errorf("%s of %T: %s", verb, v, got)
			}
		}
		if b, err := json.Marshal(v); err != nil || string(b) != `"[redacted]"` {
			t.Errorf("%T in JSON: %s, error %v", v, b, err)
		}
	}
	if m.String() != "[redacted]" || s.String() != "[redacted]" || m.LogValue().String() != "[redacted]" {
		t.Error("not redacted")
	}
}

// mustNotShow looks for the bytes 10 to 13 of the test's key in the forms that
// fmt and the encoders have.
func mustNotShow(t *testing.T, what string, m Master, s string) {
	t.Helper()
	for _, form := range []string{
		m.Encode()[:12], "0a0b0c0d", "0A0B0C0D", "0A 0B 0C 0D", "10 11 12 13", "10,11,12,13", "10, 11, 12, 13",
		"0xa, 0xb, 0xc, 0xd", "gcm.GCM", "12 13 14 15", "1010 1011 1100 1101", "U+000A U+000B", `\n\v\f\r`, "\n\v\f\r",
	} {
		if strings.Contains(s, form) {
			t.Errorf("%s shows the key, as %q", what, form)
		}
	}
}
