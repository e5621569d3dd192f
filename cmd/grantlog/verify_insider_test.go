package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/grantlog/grantlog/events/journal"
)

// verify runs "grantlog verify".
func verify(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	p, out, errs := world(nil)
	code = run(t.Context(), append([]string{"verify", "--log-level", "error"}, args...), p)
	return code, out.String(), errs.String()
}

// written is a record as an insider sees it.
type written struct {
	subject string
	payload []byte
}

func readAll(t *testing.T, data string) (all []written) {
	t.Helper()
	p, _, _ := world(nil)
	r, err := openReading(t.Context(), &placeSettings{logSettings: logSettings{Data: data}}, &general{LogLevel: logLevel(slog.LevelError)}, p)
	if err != nil {
		t.Fatal(err)
	}
	last, err := r.journal.Last(t.Context())
	if err == nil {
		err = r.journal.Read(t.Context(), journal.Cursor{}, last, func(r *journal.Record) error {
			all = append(all, written{r.Subject, bytes.Clone(r.Payload)})
			return nil
		})
	}
	if err == nil {
		err = r.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var seen = regexp.MustCompile(`"seen":\{"position":(\d+),"chain":"[0-9a-f]{64}"\}`)

// forge writes a log anew as an insider does who has the master key: every MAC
// fits, and every writer has seen what stands there now. It returns the data
// directory.
func forge(t *testing.T, data string, log []written) string {
	t.Helper()
	forged := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(forged, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"master.key", "admin.json"} {
		text, err := os.ReadFile(filepath.Join(data, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(forged, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	quiet := slog.New(slog.DiscardHandler)
	s, err := openToServe(&serveSettings{Log: logSettings{Data: forged}}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	j, err := s.openJournal(t.Context(), "r_insider", 1, quiet)
	if err != nil {
		t.Fatal(err)
	}
	chains := [][]byte{make([]byte, sha256.Size)}
	for i, w := range log {
		w.payload = seen.ReplaceAllFunc(w.payload, func(stated []byte) []byte {
			position, err := strconv.Atoi(string(seen.FindSubmatch(stated)[1]))
			if err != nil {
				t.Fatal(err)
			}
			position = min(position, i)
			return fmt.Appendf(nil, `"seen":{"position":%d,"chain":"%s"}`, position, hex.EncodeToString(chains[position]))
		})
		mac := hmac.New(sha256.New, s.Master.Derive(purposeMAC))
		fmt.Fprintf(mac, "%s\x00%s", w.subject, w.payload)
		sum := mac.Sum(nil)
		link := binary.BigEndian.AppendUint64(slices.Clone(chains[i]), uint64(i)+1)
		chain := sha256.Sum256(append(link, sum...))
		chains = append(chains, chain[:])
		msg := nats.NewMsg(w.subject)
		msg.Data = w.payload
		msg.Header.Set("Grantlog-Mac", base64.RawURLEncoding.EncodeToString(sum))
		if _, err := s.Conn.RequestMsg(msg, patience); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{closeJournal(j), s.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return forged
}

// kept serves the scenario for a while, and returns a checkpoint that an
// auditor took meanwhile.
func (s *scenario) kept() (file string) {
	s.t.Helper()
	file = filepath.Join(s.t.TempDir(), "kept")
	stop := s.serve()
	defer stop()
	if code, stdout, stderr := verify(s.t, "--url", s.url(), "--admin-file", s.adminFile(), "--save", file); code != exitOK || !strings.Contains(stdout, "the log is whole") {
		s.t.Fatalf("verify --url: %d\n%s%s", code, stdout, stderr)
	}
	return file
}

// SECURITY.md G9: whoever has the master key can write a log that is whole. A
// checkpoint that somebody else kept finds it out, and so does the tree of the
// server, which even names the first record that is another one.
func TestVerifyFindsAnInsider(t *testing.T) {
	s := recordScenario(t)
	file := s.kept()
	original := readAll(t, s.data)
	if code, stdout, stderr := verify(t, "--data", s.data, "--checkpoint", file); code != exitOK || !strings.Contains(stdout, "it begins with the ") {
		t.Fatalf("the original: %d\n%s%s", code, stdout, stderr)
	}
	copied := forge(t, s.data, original)
	if code, stdout, stderr := verify(t, "--data", copied, "--checkpoint", file); code != exitOK {
		t.Fatalf("a copy, record by record: %d\n%s%s", code, stdout, stderr)
	}
	rename := func(w written) written {
		return written{w.subject, bytes.Replace(w.payload, []byte(`"scope":"read:customers"`), []byte(`"scope":"read:customars"`), 1)}
	}
	issued := slices.IndexFunc(original, func(w written) bool { return !bytes.Equal(rename(w).payload, w.payload) })
	for name, forged := range map[string][]written{
		"edited":    slices.Replace(slices.Clone(original), issued, issued+1, rename(original[issued])),
		"dropped":   slices.Delete(slices.Clone(original), 6, 7),
		"reordered": slices.Concat(original[:8], []written{original[9], original[8]}, original[10:]),
		"repeated":  slices.Concat(original[:6], original[5:]),
		"truncated": slices.Clone(original[:9]),
		"forked":    slices.Concat(original[:9], original[3:9], original[3:9], original[3:9], original[3:9]),
		"first one": slices.Concat([]written{original[1]}, original[1:]),
	} {
		t.Run(name, func(t *testing.T) {
			data := forge(t, s.data, forged)
			if code, _, stderr := verify(t, "--data", data, "--no-state"); code != exitOK {
				t.Fatalf("the insider left traces: %d %s", code, stderr)
			}
			code, stdout, stderr := verify(t, "--data", data, "--no-state", "--checkpoint", file)
			if code != exitFailed || stdout != "" || !strings.Contains(stderr, "the log is not the one it was; the first bad position is ") {
				t.Errorf("with a checkpoint: %d\n%s%s", code, stdout, stderr)
			}
			// The insider forgot what stands beside the log.
			if err := os.CopyFS(filepath.Join(data, "state"), os.DirFS(filepath.Join(s.data, "state"))); err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf("the first bad position is %d: ", firstDifference(original, forged))
			if code, _, stderr = verify(t, "--data", data, "--no-state"); code != exitFailed || !strings.Contains(stderr, want) {
				t.Errorf("with the server's tree: %d %s; want %q", code, stderr, want)
			}
		})
	}
}

// firstDifference is the first position where two logs are not the same.
func firstDifference(a, b []written) int {
	for i := range min(len(a), len(b)) {
		if a[i].subject != b[i].subject || !bytes.Equal(a[i].payload, b[i].payload) {
			return i + 1
		}
	}
	return min(len(a), len(b)) + 1
}

// Two checkpoints say between which of them a log was altered.
func TestVerifyBetweenCheckpoints(t *testing.T) {
	s := recordScenario(t)
	early := s.kept()
	var late string
	for range 3 { // each start and each login leaves a record
		late = s.kept()
	}
	original := readAll(t, s.data)
	sizes := [2]int{}
	for i, file := range []string{early, late} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if sizes[i], err = strconv.Atoi(strings.Split(string(text), "\n")[1]); err != nil {
			t.Fatal(err)
		}
	}
	if sizes[0]+1 >= sizes[1] {
		t.Fatalf("checkpoints of %d and %d records", sizes[0], sizes[1])
	}
	altered := slices.Clone(original)
	altered[sizes[1]-1] = altered[0]
	data := forge(t, s.data, altered)
	want := fmt.Sprintf("the first bad position is one from %d to %d: ", sizes[0]+1, sizes[1])
	code, _, stderr := verify(t, "--data", data, "--no-state", "--checkpoint", late, "--checkpoint", early)
	if code != exitFailed || !strings.Contains(stderr, want) {
		t.Errorf("%d %s; want %q", code, stderr, want)
	}
}

// A backup of a log that was written anew is found out as the log is.
func TestVerifyFindsAnInsidersBackup(t *testing.T) {
	s := recordScenario(t)
	file := s.kept()
	original := readAll(t, s.data)
	for want, log := range map[int][]written{exitOK: original, exitFailed: append(original[:5:5], original[3:]...)} {
		data, copied := forge(t, s.data, log), filepath.Join(t.TempDir(), "backup")
		p, _, stderr := world(nil)
		if code := run(t.Context(), []string{"backup", "--log-level", "error", "--data", data, copied}, p); code != exitOK {
			t.Fatalf("backup: %d %s", code, stderr)
		}
		if code, stdout, stderr := verify(t, "--data", data, "--backup", copied, "--checkpoint", file); code != want {
			t.Errorf("%d, want %d\n%s%s", code, want, stdout, stderr)
		}
	}
}
