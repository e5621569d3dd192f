package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/grantlog/grantlog/events/tree"
)

// proofOf is what a server shows an administrator of an event that is not the
// first of its record, in the tree of a checkpoint.
func (s *scenario) proofOf(checkpoint string) (answer map[string]any, event string) {
	s.t.Helper()
	text, err := os.ReadFile(checkpoint)
	if err != nil {
		s.t.Fatal(err)
	}
	kept, err := tree.PeekCheckpoint(text)
	if err != nil {
		s.t.Fatal(err)
	}
	admin := s.bearer()
	_, _, body := s.request(http.MethodGet, "/oauth/events?limit=200", nil, admin)
	var list struct {
		Events []struct {
			Position int    `json:"position"`
			ID       string `json:"id"`
		} `json:"events"`
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Events) < 2 {
		s.t.Fatalf("%v: %s", err, body)
	}
	chosen := list.Events[0]
	for i, e := range list.Events[1:] {
		if e.Position == list.Events[i].Position {
			chosen = e
			break
		}
	}
	path := fmt.Sprintf("/oauth/log/proof?position=%d&event=%s&size=%d", chosen.Position, chosen.ID, kept.Size)
	status, _, body := s.asked(admin, path)
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		s.t.Fatalf("%s: %d %s", path, status, body)
	}
	if status, _, _ := s.asked(admin, strings.Replace(path, "event=e", "event=x", 1)); status != http.StatusNotFound {
		s.t.Errorf("an event that is not in the record: %d", status)
	}
	return answer, chosen.ID
}

// A proof that was saved, and a checkpoint, are enough to know that an event is in
// the log; and no other proof will do.
func TestVerifyAnEventByItsProof(t *testing.T) {
	t.Parallel()
	s := recordScenario(t)
	kept := s.kept()
	stop := s.serve()
	proof, event := s.proofOf(kept)
	_, _, key := s.request(http.MethodGet, "/oauth/log/key", nil, s.bearer())
	stop()
	key = strings.TrimSpace(key)
	other := filepath.Join(t.TempDir(), "other")
	text, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	lines[2] = tree.Hash{1}.String() + "\n"
	if err := os.WriteFile(other, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	whole := []string{"--checkpoint", kept}
	for name, c := range map[string]struct {
		change func(map[string]any)
		args   []string
		code   int
		says   string
	}{
		"by the checkpoint": {nil, whole, exitOK, "event " + event + " is in the record\nthe record is one of the "},
		"by the key":        {nil, []string{"--verifier-key", key}, exitOK, "event " + event + " is in the record\nthe record is one of the "},
		"by both":           {nil, append(whole, "--verifier-key", key), exitOK, "is in the record"},
		"no event":          {func(p map[string]any) { delete(p, "event"); delete(p, "payload"); delete(p, "entry") }, whole, exitOK, "the record is one of the "},
		"another payload":   {func(p map[string]any) { p["payload"] = "e30=" }, whole, exitFailed, "the record that it shows is not the one that it proves"},
		"no payload":        {func(p map[string]any) { delete(p, "payload") }, whole, exitFailed, "the record that it shows is not the one that it proves"},
		"another entry": {func(p map[string]any) {
			p["entry"] = string(tree.AppendEntry(nil, "grantlog.x", []byte("{}")))
			p["payload"] = "e30="
		}, whole, exitFailed, "the record that it shows is not the one that it proves"},
		"another leaf":     {func(p map[string]any) { p["leaf"] = tree.Hash{2}.String() }, whole, exitFailed, "no proof leads from the record to the checkpoint"},
		"another position": {func(p map[string]any) { p["position"] = 4 }, whole, exitFailed, "no proof leads from the record to the checkpoint"},
		"another root":     {func(p map[string]any) { p["root"] = tree.Hash{2}.String() }, whole, exitFailed, "their roots differ"},
		"another log's":    {nil, []string{"--checkpoint", other}, exitFailed, "their roots differ"},
		"root and key":     {func(p map[string]any) { p["root"] = tree.Hash{2}.String() }, []string{"--verifier-key", key}, exitFailed, "of another tree"},
		"not signed":       {func(p map[string]any) { p["checkpoint"] = strings.Join(lines, "") }, []string{"--verifier-key", key}, exitFailed, "not a checkpoint"},
		"another event":    {func(p map[string]any) { p["event"].(map[string]any)["id"] = "e_other" }, whole, exitFailed, `no event "e_other" in that place`},
		"another place":    {func(p map[string]any) { p["event"].(map[string]any)["index"] = 999 }, whole, exitFailed, "in that place"},
		"before the first": {func(p map[string]any) { p["event"].(map[string]any)["index"] = -1 }, whole, exitFailed, "in that place"},
		"another size":     {func(p map[string]any) { p["size"] = 3 }, whole, exitUsage, "ask for one with size="},
		"no proof":         {func(p map[string]any) { clear(p) }, whole, exitUsage, "not an answer of"},
		"nothing to hold":  {nil, nil, exitUsage, "--proof needs a --checkpoint"},
		"asking a server":  {nil, append(whole, "--url", "http://127.0.0.1:1"), exitUsage, "it asks no log"},
	} {
		t.Run(name, func(t *testing.T) {
			file := saveProof(t, proof, c.change)
			code, stdout, stderr := verify(t, append([]string{"--proof", file}, c.args...)...)
			if code != c.code || !strings.Contains(stdout+stderr, c.says) || (code == exitOK) != (stderr == "") {
				t.Errorf("%d\n%s%s", code, stdout, stderr)
			}
		})
	}
	if code, _, _ := verify(t, append(whole, "--proof", filepath.Join(t.TempDir(), "nowhere"))...); code != exitUsage {
		t.Errorf("a file that is not there: %d", code)
	}
}

// saveProof saves a changed copy.
func saveProof(t *testing.T, proof map[string]any, change func(map[string]any)) (file string) {
	t.Helper()
	text, err := json.Marshal(proof)
	if err != nil {
		t.Fatal(err)
	}
	var own map[string]any
	if err := json.Unmarshal(text, &own); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(own)
	}
	if text, err = json.Marshal(own); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "proof.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
