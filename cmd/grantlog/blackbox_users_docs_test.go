package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/users.md, as written: its seed file, then its shell blocks one after the
// other, in one shell. Only the address is changed.
func TestUsersDocument(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIP: %s is not installed", tool)
		}
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "users.md"))
	if err != nil {
		t.Fatal(err)
	}
	seed := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindSubmatch(text)
	if seed == nil {
		t.Fatal("the document has no seed file")
	}
	s := prepare(t, "--seed", writeFile(t, "seed.yaml", string(seed[1])))
	s.env = []string{"AGENT_PASSWORD=correct-horse-battery"}
	s.start()
	script := "AGENT_PASSWORD=correct-horse-battery\n"
	for _, block := range shellBlock.FindAllStringSubmatch(string(text), -1) {
		script += strings.ReplaceAll(block[2], readmeAddress, s.addr)
	}
	out := shell(t, filepath.Dir(s.data), script)
	promises := expectations(script)
	for _, want := range promises {
		at := want.FindStringIndex(out)
		if at == nil {
			t.Fatalf("the document promises %s; the rest of the output is\n%s", want, out)
		}
		out = out[at[1]:]
	}
	if len(promises) != 4 {
		t.Errorf("%d promises", len(promises))
	}
}
