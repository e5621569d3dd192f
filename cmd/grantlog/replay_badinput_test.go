package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/grantlog/grantlog/events"
)

// refused runs a replay that must fail with an exit code and one line, and
// print nothing.
func refused(t *testing.T, code int, words string, args ...string) {
	t.Helper()
	p, stdout, stderr := world(nil)
	got := run(t.Context(), append([]string{"replay", "--log-level", "error"}, args...), p)
	line, rest, _ := strings.Cut(stderr.String(), "\n")
	if got != code || rest != "" || !strings.HasPrefix(line, "grantlog: ") || !strings.Contains(line, words) || stdout.Len() > 0 {
		t.Errorf("%q: exit code %d, want %d and %q\n%s%s", args, got, code, words, stdout, stderr)
	}
}

func TestReplayRefusesBadQuestions(t *testing.T) {
	for _, tc := range []struct {
		words string
		args  []string
	}{
		{"--as-of: \"\" is neither", []string{"--as-of", ""}},
		{"--as-of: \"0\" is neither", []string{"--as-of", "0"}},
		{"--as-of: \"-5m\" is neither", []string{"--as-of=-5m"}},
		{"--as-of: \"5 minutes\" is neither", []string{"--as-of", "5 minutes"}},
		{"--as-of: \"1h30\" is neither", []string{"--as-of", "1h30"}},
		{"--as-of: \"2024-02-30T00:00:00Z\" is neither", []string{"--as-of", "2024-02-30T00:00:00Z"}},
		{"--as-of: \"18446744073709551616\" is neither", []string{"--as-of", "18446744073709551616"}},
		{"--as-of: 9999-01-01T00:00:00Z is in the future", []string{"--as-of", "9999-01-01T00:00:00Z"}},
		{"--diff: \"5\" is not T1..T2", []string{"--diff", "5"}},
		{"--diff: \"\" is neither", []string{"--diff", "..5"}},
		{"--diff: \"x\" is neither", []string{"--diff", "5..x"}},
		{"--diff: 9999-01-01T00:00:00Z is in the future", []string{"--diff", "5..9999-01-01T00:00:00Z"}},
		{"--token: \"\" is not a jti", []string{"--token", ""}},
		{"--token: \"x\\x1b\" is not a jti", []string{"--token", "x\x1b"}},
		{"--lineage: \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\" is not a jti", []string{"--lineage", strings.Repeat("A", 32)}},
		{"--application: want an id", []string{"--application", ""}},
		{"--impact: \"a_1\" is not one of", []string{"--impact", "a_1"}},
		{"--impact: \"client\" is not one of", []string{"--impact", "client:k_1"}},
		{"--impact: \"key:\" is not one of", []string{"--impact", "key:"}},
		{"--impact: \"\" is not the number", []string{"--impact", "secret:a_1@"}},
		{"--impact: \"0\" is not the number", []string{"--impact", "secret:a_1@0"}},
		{"--impact: \"1.5\" is not the number", []string{"--impact", "secret:a_1@1.5"}},
		{"--impact: \"secret:\" is not one of", []string{"--impact", "secret:"}},
		{`--what-if: "tokenLifetime" is not a time`, []string{"--what-if", "tokenLifetime"}},
		{`--what-if: "tokenLifetime=5 minutes" is not a time`, []string{"--what-if", "tokenLifetime=5 minutes"}},
		{`--what-if: "tokenLifetime=-300s" is not a time`, []string{"--what-if", "tokenLifetime=-300s"}},
		{`--what-if: "tokenLifetime=1.5s" is not a time`, []string{"--what-if", "tokenLifetime=1.5s"}},
		{`--what-if: "tokenLifetime=25h" is not a time`, []string{"--what-if", "tokenLifetime=25h"}},
		{`--what-if: "tokenLifetime=9e9h" is not a time`, []string{"--what-if", "tokenLifetime=9e9h"}},
		{`--what-if: "limit.perMinute=0" is not a number`, []string{"--what-if", "limit.perMinute=0"}},
		{`--what-if: "limit.perHour=1e3" is not a number`, []string{"--what-if", "limit.perHour=1e3"}},
		{`--what-if: "limit.perMinute=3" is given twice`, []string{"--what-if", "limit.perMinute=2", "--what-if", "limit.perMinute=3"}},
		{`--what-if: "limit.perDay=3" is not one of`, []string{"--what-if", "limit.perDay=3"}},
		{`--what-if: "" is not one of`, []string{"--what-if", ""}},
		{`--speed: "0" is not a number above 0`, []string{"--speed", "0"}},
		{`--speed: "-1" is not a number above 0`, []string{"--speed=-1"}},
		{`--speed: "fast" is not a number above 0`, []string{"--speed", "fast"}},
		{`--speed: "NaN" is not a number above 0`, []string{"--speed", "NaN"}},
		{`--speed: "Inf" is not a number above 0`, []string{"--speed", "Inf"}},
		{`--speed: "1e999" is not a number above 0`, []string{"--speed", "1e999"}},
		{"--speed writes lines", []string{"--speed", "1", "--out", "json"}},
		{"one question at a time", []string{"--speed", "1", "--diff", "1..2"}},
		{"one question at a time", []string{"--what-if", "limit.perHour=3", "--state-hash"}},
		{"one question at a time", []string{"--application", "a_1", "--state-hash"}},
		{"--as-of does not go with --diff", []string{"--as-of", "1", "--diff", "1..2"}},
		{"--out: \"xml\" is not one of table, json, ndjson", []string{"--out", "xml"}},
		{"--url needs --admin-file", []string{"--url", "http://127.0.0.1:1"}},
		{"is not an http or https URL", []string{"--url", "127.0.0.1:1", "--admin-file", "x"}},
	} {
		refused(t, exitUsage, tc.words, append([]string{"--data", filepath.Join(t.TempDir(), "none")}, tc.args...)...)
	}
}

// contents lists what is in a directory, with sizes.
func contents(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			all = append(all, fmt.Sprint(path, info.Size(), info.Mode()))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Where there is no log, nothing is made and nothing is changed.
func TestReplayLeavesForeignDirectoriesAlone(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := write("file", "not a directory")
	write("foreign/readme.txt", "something else")
	write("othernats/jetstream/$G/streams/ORDERS/meta.inf", "{}")
	write("keyless/jetstream/$G/streams/GRANTLOG/meta.inf", "{}")
	before := contents(t, dir)
	for name, words := range map[string]string{
		filepath.Join(dir, "none"):      "there is no log in",
		file:                            "there is no log in",
		filepath.Join(dir, "foreign"):   "there is no log in",
		filepath.Join(dir, "othernats"): "there is no log in",
		filepath.Join(dir, "keyless"):   "master key file",
	} {
		refused(t, exitUsage, words, "--data", name)
	}
	if diff := cmp.Diff(before, contents(t, dir)); diff != "" {
		t.Errorf("changed:\n%s", diff)
	}
}

// What may not be read is not taken for empty.
func TestReplayOfAnUnreadableDirectory(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	dir := writeLog(t)
	if err := os.Chmod(storeDir(dir), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(storeDir(dir), 0o700) })
	refused(t, exitUsage, "permission denied", "--data", dir)
}

func TestReplayOfALogThatIsNotToBeRead(t *testing.T) {
	dir := writeLog(t)
	t.Run("in use", func(t *testing.T) {
		d, err := openDataDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer d.close()
		if err := d.announce("http://127.0.0.1:8080"); err != nil {
			t.Fatal(err)
		}
		refused(t, exitFailed, "replay --url http://127.0.0.1:8080 --admin-file "+filepath.Join(dir, "admin.json"), "--data", dir)
	})
	t.Run("out of reach", func(t *testing.T) {
		admin := filepath.Join(t.TempDir(), "admin.json")
		if err := os.WriteFile(admin, []byte(`{"clientId":"a","clientSecret":"b"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, exitFailed, "connection refused", "--url", "http://127.0.0.1:1", "--admin-file", admin, "--application", "a_1")
	})
	t.Run("positions past the end", func(t *testing.T) {
		for _, args := range [][]string{
			{"--as-of", "4"}, {"--as-of", "9223372036854775807"}, {"--diff", "1..4"}, {"--diff", "4.."}, {"--diff", "1", "4"},
			{"--as-of", "4", "--lineage", strings.Repeat("0", 32)}, {"--as-of", "4", "--impact", "key:k"}, {"--as-of", "4", "--state-hash"},
			{"--as-of", "4", "--what-if", "limit.perHour=1"}, {"--as-of", "4", "--from-start"},
		} {
			refused(t, exitUsage, "the log has not reached that position", append([]string{"--data", dir}, args...)...)
		}
	})
	t.Run("newer", func(t *testing.T) {
		appendNewer(t, dir)
		refused(t, exitFailed, `the log was written by a newer grantlog than this one: position 4: `, "--data", dir)
		refused(t, exitFailed, "newer grantlog", "--data", dir, "--lineage", strings.Repeat("0", 32))
		refused(t, exitFailed, "newer grantlog", "--data", dir, "--diff", "1..")
		p, _, stderr := world(nil)
		if code := run(t.Context(), []string{"replay", "--log-level", "error", "--data", dir, "--as-of", "3"}, p); code != exitOK {
			t.Errorf("before the unknown record: exit code %d: %s", code, stderr)
		}
	})
	t.Run("shortened", func(t *testing.T) {
		state := (&logSettings{Data: dir}).stateDir()
		if err := os.MkdirAll(state, 0o700); err != nil {
			t.Fatal(err)
		}
		mark := fmt.Sprintf("9 %064d\n", 0)
		if err := os.WriteFile(filepath.Join(state, "watermark"), []byte(mark), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, exitFailed, "the log is damaged, and nothing is answered from it: the log does not match", "--data", dir)
		if err := os.RemoveAll(state); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("altered", func(t *testing.T) {
		alter(t, dir, `"name":"Acme"`, `"name":"Acne"`)
		refused(t, exitFailed, "the log is damaged, and nothing is answered from it", "--data", dir)
	})
}

// appendNewer writes a record as a later version of grantlog might.
func appendNewer(t *testing.T, dir string) {
	t.Helper()
	set := &serveSettings{Log: logSettings{Data: dir}}
	s, err := openToServe(set, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	event := `{"id":"e_new","type":"grant.predicted","version":1,"time":"2026-01-02T04:00:00.000000Z","data":{}}`
	msg := nats.NewMsg(events.BeaconsSubject())
	msg.Data = events.AppendPage(nil, events.PageHeader{Commit: "c_new", Replica: "r_new"}, []byte(event))
	mac := hmac.New(sha256.New, s.Master.Derive(purposeMAC))
	fmt.Fprintf(mac, "%s\x00%s", msg.Subject, msg.Data)
	msg.Header.Set("Grantlog-Mac", base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
	if _, err := s.Conn.RequestMsg(msg, patience); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
