package audit

import "testing"

func TestHarmless(t *testing.T) {
	for field, want := range map[string]string{
		"": "", "a": "a", "2026-01-02": "2026-01-02", `{"a":"=1"}`: `{"a":"=1"}`, "a=1": "a=1",
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1", "\r=1": "'\r=1", "\n=1": "'\n=1", "|x": "'|x", "%x": "'%x",
	} {
		if got := harmless(field); got != want {
			t.Errorf("%q: %q, want %q", field, got, want)
		}
	}
}
