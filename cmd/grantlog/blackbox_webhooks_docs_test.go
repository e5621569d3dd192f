package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/feeds.md, as written: its receiver is built and run, its shell block
// subscribes it. Only the addresses are changed.
func TestWebhooksDocument(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIP: %s is not installed", tool)
		}
	}
	file, err := os.ReadFile(filepath.Join("..", "..", "docs", "feeds.md"))
	if err != nil {
		t.Fatal(err)
	}
	s := start(t)
	address := freeAddress(t)
	text := strings.NewReplacer("127.0.0.1:9000", address, readmeAddress, s.addr).Replace(string(file))
	source := regexp.MustCompile("(?ms)^```go\n(package main\n.*?)^```$").FindStringSubmatch(text)
	script := shellBlock.FindStringSubmatch(text)
	promised := regexp.MustCompile("(?m)^w_[0-9A-Z.]+ ({.*})$").FindStringSubmatch(text)
	if source == nil || script == nil || promised == nil {
		t.Fatal("the document lacks its receiver, its commands or its output")
	}

	binary := filepath.Join(t.TempDir(), "receiver")
	if out, err := exec.Command("go", "build", "-o", binary, writeFile(t, "main.go", source[1])).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	printed := &transcript{}
	receiver := exec.Command(binary)
	receiver.Stdout, receiver.Stderr = printed, printed
	if err := receiver.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = receiver.Process.Kill()
		_ = receiver.Wait()
	})
	s.eventually("the receiver listens", func() bool { return reachable(address) })

	out := shell(t, filepath.Dir(s.data), script[2])
	for _, want := range expectations(script[2]) {
		if !want.MatchString(out) {
			t.Errorf("the document promises %s; the output is\n%s", want, out)
		}
	}
	want := regexp.MustCompile(`^w_[0-9A-Z]+\.\d+\.0 ` + regexp.MustCompile(`"position":\d+`).ReplaceAllString(
		strings.ReplaceAll(regexp.QuoteMeta(promised[1]), "…", ".*"), `"position":\d+`) + "\n$")
	s.eventually("the receiver prints what the document says", func() bool { return want.MatchString(printed.String()) })
}
