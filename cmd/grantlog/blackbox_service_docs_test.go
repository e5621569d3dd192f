package main_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/services.md, as written: its seed file, then its shell blocks one after
// the other, in one shell. Only the addresses are changed.
func TestServicesDocument(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIP: %s is not installed", tool)
		}
	}
	file, err := os.ReadFile(filepath.Join("..", "..", "docs", "services.md"))
	if err != nil {
		t.Fatal(err)
	}
	u := startUpstream(t)
	text := strings.ReplaceAll(string(file), "http://127.0.0.1:9002", u.URL)
	seed := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindStringSubmatch(text)
	if seed == nil {
		t.Fatal("the document has no seed file")
	}
	s := prepare(t, "--seed", writeFile(t, "seed.yaml", seed[1]))
	s.start()

	var script strings.Builder
	for _, block := range shellBlock.FindAllStringSubmatch(text, -1) {
		script.WriteString(strings.ReplaceAll(block[2], readmeAddress, s.addr))
	}
	out := shell(t, filepath.Dir(s.data), script.String())
	promises := expectations(script.String())
	for _, want := range promises {
		at := want.FindStringIndex(out)
		if at == nil {
			t.Fatalf("the document promises %s; the rest of the output is\n%s", want, out)
		}
		out = out[at[1]:]
	}
	calls := u.seen()
	if len(promises) != 3 || len(calls) != 1 || calls[0].method != http.MethodPost || calls[0].body != `{"data": "value"}` {
		t.Errorf("%d promises, calls %s", len(promises), fmt.Sprint(calls))
	}
}
