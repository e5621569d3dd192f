package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/audit.md, as written: its shell blocks one after the other, while the
// server runs, and those "at rest" after it was stopped. What a comment behind
// three spaces says is printed there, with … for anything.
func TestAuditDocument(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "curl", "sha256sum", "base64"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIP: %s is not installed", tool)
		}
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "audit.md"))
	if err != nil {
		t.Fatal(err)
	}
	s := start(t)
	s.token(s.create(s.admin()))
	preface := "PATH=" + filepath.Dir(grantlog(t)) + ":$PATH\n"
	serving, atRest := preface, preface
	for _, block := range regexp.MustCompile("(?ms)^```sh( at rest)?\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		if script := strings.ReplaceAll(block[2], readmeAddress, s.addr); block[1] == "" {
			serving += script
		} else {
			atRest += script
		}
	}
	keepsItsWord(t, filepath.Dir(s.data), serving, 12)
	s.stop()
	keepsItsWord(t, filepath.Dir(s.data), atRest, 1)
}

var promise = regexp.MustCompile(`(?m)   # (.*)$`)

// keepsItsWord runs a script and looks for what it promises, in order.
func keepsItsWord(t *testing.T, dir, script string, promises int) {
	t.Helper()
	out := shell(t, dir, script)
	all := promise.FindAllStringSubmatch(script, -1)
	for _, m := range all {
		at := regexp.MustCompile(strings.ReplaceAll(regexp.QuoteMeta(m[1]), "…", ".*?")).FindStringIndex(out)
		if at == nil {
			t.Fatalf("the document promises %s; the rest of the output is\n%s", m[1], out)
		}
		out = out[at[1]:]
	}
	if len(all) != promises {
		t.Errorf("%d promises", len(all))
	}
}
