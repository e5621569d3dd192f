package main_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// auditor is somebody who trusts nothing but a verifier key and the words of
// C2SP and RFC 6962.
type auditor struct {
	*server
	token    string
	verifier note.Verifier
}

func (s *server) auditor(token string) *auditor {
	s.t.Helper()
	verifier, err := note.NewVerifier(strings.TrimSpace(string(s.get("/oauth/log/key", bearer(token)).ok().body)))
	if err != nil {
		s.t.Fatal(err)
	}
	s.eventually("the tree has reached the log", func() bool {
		return s.get("/oauth/log/checkpoint", bearer(token)).status == http.StatusOK
	})
	if want := strings.TrimPrefix(s.issuer(), "http://") + "/oauth/log"; verifier.Name() != want {
		s.t.Errorf("the key is named %s, want %s", verifier.Name(), want)
	}
	return &auditor{s, token, verifier}
}

// open verifies a checkpoint.
func (a *auditor) open(text []byte) (tree tlog.Tree) {
	a.t.Helper()
	opened, err := note.Open(text, note.VerifierList(a.verifier))
	if err != nil {
		a.t.Fatalf("%v\n%s", err, text)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != a.verifier.Name() || lines[3] != "" {
		a.t.Fatalf("the checkpoint reads\n%s", text)
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		a.t.Fatal(err)
	}
	if tree.Hash, err = tlog.ParseHash(lines[2]); err != nil {
		a.t.Fatal(err)
	}
	return tree
}

func (a *auditor) checkpoint() tlog.Tree {
	a.t.Helper()
	return a.open(a.get("/oauth/log/checkpoint", bearer(a.token)).ok().has("Content-Type", "text/plain; charset=utf-8").body)
}

// Height, ReadTiles and SaveTiles make the auditor a tlog.TileReader.
func (a *auditor) Height() int                     { return 8 }
func (a *auditor) SaveTiles([]tlog.Tile, [][]byte) {}

func (a *auditor) ReadTiles(tiles []tlog.Tile) (data [][]byte, err error) {
	for _, tile := range tiles {
		// The library's paths name the height of tiles, which C2SP fixes.
		path := "/oauth/log/" + strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data = append(data, a.get(path, bearer(a.token)).ok().has("Cache-Control", "private, max-age=31536000, immutable").body)
	}
	return data, nil
}

type inclusionProof struct {
	Position   int64            `json:"position"`
	Size       int64            `json:"size"`
	Leaf       tlog.Hash        `json:"leaf"`
	Root       tlog.Hash        `json:"root"`
	Path       tlog.RecordProof `json:"path"`
	Entry      string           `json:"entry"`
	Checkpoint string           `json:"checkpoint"`
}

type consistencyProof struct {
	From       int64          `json:"from"`
	To         int64          `json:"to"`
	FromRoot   tlog.Hash      `json:"fromRoot"`
	ToRoot     tlog.Hash      `json:"toRoot"`
	Path       tlog.TreeProof `json:"path"`
	Checkpoint string         `json:"checkpoint"`
}

// An auditor with nothing but a library for transparency logs verifies the log:
// checkpoints, proofs, tiles, entries, records; also after a restart.
func TestAuditorVerifiesTheLog(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.create(s.admin())
	a := s.auditor(s.admin())
	before := a.checkpoint()
	for range 5 {
		s.token(app)
	}
	s.restart()
	again := s.auditor(s.admin())
	if again.verifier.KeyHash() != a.verifier.KeyHash() {
		t.Error("the key is another after a restart")
	}
	a.token = again.token
	now := a.checkpoint()
	if now.N <= before.N {
		t.Fatalf("%d records after %d", now.N, before.N)
	}

	p := as[consistencyProof](a.get(fmt.Sprintf("/oauth/log/proof?from=%d&to=%d", before.N, now.N), bearer(a.token)).ok())
	if p.From != before.N || p.FromRoot != before.Hash || a.open([]byte(p.Checkpoint)) != now {
		t.Errorf("%+v", p)
	}
	if err := tlog.CheckTree(p.Path, now.N, now.Hash, before.N, before.Hash); err != nil {
		t.Error(err)
	}
	for position := int64(1); position <= now.N; position++ {
		a.checkRecord(position, now)
	}
	// From the tiles alone.
	reader := tlog.TileHashReader(now, a)
	older, err := tlog.TreeHash(before.N, reader)
	if err != nil || older != before.Hash {
		t.Errorf("the tiles give %v, %v for the older checkpoint %v", older, err, before.Hash)
	}
	a.checkEntries(now, reader)
}

// checkRecord verifies that a record as the server shows it is in the tree.
func (a *auditor) checkRecord(position int64, tree tlog.Tree) {
	a.t.Helper()
	p := as[inclusionProof](a.get(fmt.Sprintf("/oauth/log/proof?position=%d&size=%d", position, tree.N), bearer(a.token)).ok())
	if err := tlog.CheckRecord(p.Path, tree.N, tree.Hash, position-1, p.Leaf); err != nil || p.Position != position || a.open([]byte(p.Checkpoint)) != tree {
		a.t.Errorf("position %d: %v\n%+v", position, err, p)
	}
	record := a.records(position-1, 1)[0]
	entry := fmt.Sprintf("%x  %s\n", sha256.Sum256(record.Payload), record.Subject)
	if record.Position != position || p.Entry != entry || p.Leaf != tlog.RecordHash([]byte(entry)) {
		a.t.Errorf("position %d: the proof is of %q, the record's entry is %q", position, p.Entry, entry)
	}
}

// storedRecord is a record as the server sends it.
type storedRecord struct {
	Position int64           `json:"position"`
	Subject  string          `json:"subject"`
	MAC      string          `json:"mac"`
	Payload  json.RawMessage `json:"payload"`
}

func (a *auditor) records(after int64, limit int) (records []storedRecord) {
	a.t.Helper()
	body := a.get(fmt.Sprintf("/oauth/log/records?after=%d&limit=%d", after, limit), bearer(a.token)).ok().has("Content-Type", "application/x-ndjson").body
	for line := range strings.Lines(string(body)) {
		var r storedRecord
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			a.t.Fatalf("%v\n%.300s", err, line)
		}
		records = append(records, r)
	}
	return records
}

// checkEntries verifies the entry bundle of a small log against its leaves.
func (a *auditor) checkEntries(tree tlog.Tree, leaves tlog.HashReader) {
	a.t.Helper()
	bundle := a.get(fmt.Sprintf("/oauth/log/tile/entries/000.p/%d", tree.N), bearer(a.token)).ok().body
	for n := range tree.N {
		if len(bundle) < 2 || len(bundle)-2 < int(binary.BigEndian.Uint16(bundle)) {
			a.t.Fatalf("the bundle ends at entry %d of %d", n, tree.N)
		}
		entry := bundle[2:][:binary.BigEndian.Uint16(bundle)]
		bundle = bundle[2+len(entry):]
		hashes, err := leaves.ReadHashes([]int64{tlog.StoredHashIndex(0, n)})
		if err != nil || hashes[0] != tlog.RecordHash(entry) {
			a.t.Errorf("entry %d is %q, of another leaf (%v)", n, entry, err)
		}
	}
	if len(bundle) > 0 {
		a.t.Errorf("%d bytes behind the last entry", len(bundle))
	}
}

// Hashes are for auditors of any organization; records and entries, which are
// of all of them, for administrators alone.
func TestWhoMaySeeTheTree(t *testing.T) {
	t.Parallel()
	s := startTenants(t)
	acme, admin := s.tenant("acme"), s.admin()
	s.auditor(admin)
	stranger := s.token(s.create(acme, settings{"scopes": []string{"read:customers"}}))
	first := as[struct {
		Events []struct{ ID string }
	}](s.get("/oauth/events?limit=1", bearer(admin)).ok()).Events[0]
	event := "position=1&event=" + first.ID
	for path, wants := range map[string]struct{ auditor, administrator int }{
		"/oauth/log/checkpoint":           {200, 200},
		"/oauth/log/key":                  {200, 200},
		"/oauth/log/proof?position=1":     {200, 200},
		"/oauth/log/proof?from=1":         {200, 200},
		"/oauth/log/proof?" + event:       {403, 200},
		"/oauth/log/tile/0/000.p/3":       {200, 200},
		"/oauth/log/tile/entries/000.p/3": {403, 200},
		"/oauth/log/records":              {403, 200},
	} {
		s.get(path).want(http.StatusUnauthorized)
		s.get(path, bearer(stranger)).want(http.StatusForbidden)
		s.get(path, bearer(acme)).want(wants.auditor)
		s.get(path, bearer(admin)).want(wants.administrator)
	}
	if p := as[inclusionProof](s.get("/oauth/log/proof?position=1", bearer(acme)).ok()); p.Entry != "" {
		t.Errorf("an auditor is shown the entry %q", p.Entry)
	}
}

// Bad input of the proofs' endpoints is 400 or 404 and a plain message.
func TestBadQuestionsAboutTheTree(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	for _, query := range []string{
		"", "size=3", "to=3", "position=1&from=1", "position=1&to=2", "from=1&size=2", "position=", "position=0", "position=-1", "position=1.5", "position=x",
		"position=1&position=2", "position=99999", "position=3&size=2", "position=1&size=99999", "position=1&size=0", "from=0", "from=3&to=2", "from=1&to=99999",
		"position=9223372036854775808", "position=1&event=", "position=1&event=e_1&event=e_2", "event=e_1", "from=1&event=e_1", "from=1&from=2", "position=%zz",
	} {
		s.get("/oauth/log/proof?"+query, bearer(admin)).want(http.StatusBadRequest)
	}
	for _, query := range []string{"after=-1", "after=x", "limit=0", "limit=10001", "after=1&after=2", "limit="} {
		s.get("/oauth/log/records?"+query, bearer(admin)).want(http.StatusBadRequest)
	}
	if body := s.get("/oauth/log/records?after=99999", bearer(admin)).ok().body; len(body) != 0 {
		t.Errorf("records from behind the end: %s", body)
	}
	for _, path := range []string{"0/000", "1/000", "0/001.p/1", "0/000.p/255", "entries/000", "entries/001.p/1"} {
		s.get("/oauth/log/tile/"+path, bearer(admin)).want(http.StatusNotFound)
	}
	for _, path := range []string{"", "0", "0/0", "8/000", "data/000", "0/000.p/0", "0/000.p/256", "0/x/000", "entries/", "entries/0", "-1/000", "0/%2e%2e/000"} {
		s.get("/oauth/log/tile/"+path, bearer(admin), undescribed).want(http.StatusNotFound)
	}
}

// A proof of what was just written is there, wherever it is asked for.
func TestProofReflectsTheWrite(t *testing.T) {
	t.Parallel()
	s := start(t)
	a := s.auditor(s.admin())
	for range 20 {
		made := s.json(http.MethodPost, "/oauth/applications", settings{"name": "x", "scopes": []string{}}, bearer(a.token)).want(http.StatusCreated)
		token := made.header.Get("Consistency-Token")
		tree := a.open(a.get("/oauth/log/checkpoint", bearer(a.token), header("Consistency-Token", token)).ok().body)
		position, err := strconv.ParseInt(strings.TrimPrefix(token, "gl1-"), 36, 64)
		if err != nil || tree.N < position {
			t.Fatalf("a checkpoint of %d records after the write at %d (%v)", tree.N, position, err)
		}
		a.checkRecord(position, tree)
	}
}
