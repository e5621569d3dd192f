package bench

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCommand runs every workload, a few requests each, as a user does.
func TestCommand(t *testing.T) {
	executable := filepath.Join(t.TempDir(), "grantlog")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", executable, "..").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data := t.TempDir()
	cmd := exec.CommandContext(t.Context(), executable, "bench", "--json", "--dir", data,
		"--connections", "4", "--requests", "80", "--rounds", "1", "--tokens", "20", "--issuances", "3000", "--authentications", "5")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.Bytes())
	}
	var got struct{ Results []result }
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	var names []string
	for _, r := range got.Results {
		names = append(names, r.Workload)
		switch {
		case r.Load != nil && (r.Load.Requests != 80 || r.Load.Failed != 0 || r.Load.Ratio <= 0):
			t.Errorf("%s: %+v", r.Workload, *r.Load)
		case r.Load == nil && len(r.Figures) == 0:
			t.Errorf("%s: nothing was measured", r.Workload)
		}
	}
	if diff := cmp.Diff(Names(), names); diff != "" {
		t.Error(diff)
	}
	if left, err := filepath.Glob(filepath.Join(data, "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
