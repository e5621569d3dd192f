package tree

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/grantlog/grantlog/events"
)

// What was saved is there again; what was not is gone, and can be appended
// again.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	tree, leaves := grown(t, dir, 600)
	if err := tree.Save(); err != nil {
		t.Fatal(err)
	}
	saved := head(t, tree)
	for n := int64(601); n <= 1200; n++ {
		if err := tree.Append(leafOf(n), events.Chain{9}); err != nil {
			t.Fatal(err)
		}
	}
	grownTo := head(t, tree)
	if err := tree.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(dir, "log.example/oauth/log")
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if at := again.At(); head(t, again) != saved || at.Position != 600 || at.Chain != (events.Chain{byte(599 % 256)}) {
		t.Errorf("opened again: %v, %v", head(t, again), at)
	}
	for n := int64(601); n <= 1200; n++ {
		if err := again.Append(leafOf(n), events.Chain{}); err != nil {
			t.Fatal(err)
		}
	}
	if head(t, again) != grownTo {
		t.Error("the tree grew otherwise the second time")
	}
	for first := 1; first <= 600; first += 256 {
		got, err := again.Leaves(saved, events.Position(first))
		if err != nil || !slices.Equal(got, leaves[first-1:min(first+255, 600)]) {
			t.Errorf("leaves from %d: %d, %v", first, len(got), err)
		}
	}
	if _, err := again.Leaves(Head{saved.Size, Hash{1}}, 1); !errors.Is(err, ErrDamaged) {
		t.Errorf("leaves of another root: %v", err)
	}
}

// A tree that is only read is left as it is, also when it is damaged.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a tree: %v", err)
	}
	tree, _ := grown(t, dir, 300)
	if err := errors.Join(tree.Save(), tree.Close()); err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(dir)
	if err != nil || head(t, loaded) != head(t, tree) || loaded.Origin() != "log.example/oauth/log" {
		t.Fatalf("%v, %v", loaded, err)
	}
	defer loaded.Close()
	if err := os.Truncate(filepath.Join(dir, "level-0"), 100); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); !errors.Is(err, ErrDamaged) {
		t.Errorf("a short file: %v", err)
	}
	if info, err := os.Stat(filepath.Join(dir, "level-0")); err != nil || info.Size() != 100 {
		t.Errorf("the damage is gone: %v, %v", info, err)
	}
}

// A flipped bit anywhere in the files is found when the tree is opened or when
// what it is in is read; no proof and no tile comes out wrong.
func TestDamagedFiles(t *testing.T) {
	const size = 1000
	dir := t.TempDir()
	tree, _ := grown(t, dir, size)
	if err := errors.Join(tree.Save(), tree.Close()); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) != 2 {
		t.Fatalf("%v, %v", names, err)
	}
	for _, name := range names {
		whole, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for place := 0; place < len(whole); place += 1 + len(whole)/40 {
			damaged := append([]byte(nil), whole...)
			damaged[place] ^= 4
			if err := os.WriteFile(name, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			if !noticed(t, dir, size) {
				t.Errorf("a flipped bit at %d of %s goes unnoticed", place, filepath.Base(name))
			}
			restore(t, dir, names, name, whole)
		}
		if err := os.WriteFile(name, whole[:len(whole)-1], 0o600); err != nil {
			t.Fatal(err)
		}
		if !noticed(t, dir, size) {
			t.Errorf("%s without its last byte goes unnoticed", filepath.Base(name))
		}
		restore(t, dir, names, name, whole)
	}
}

// noticed opens a damaged tree and reads all of it, if it opens.
func noticed(t *testing.T, dir string, size int64) bool {
	t.Helper()
	kept := t.TempDir()
	if err := os.CopyFS(kept, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	tree, err := Open(kept, "")
	if tree == nil {
		t.Fatal(err)
	}
	defer tree.Close()
	if errors.Is(err, ErrDamaged) {
		return head(t, tree).Size == 0
	}
	for position := int64(1); position <= size; position += 100 {
		p, err := tree.Inclusion(events.Position(position), size)
		if errors.Is(err, ErrDamaged) {
			return true
		}
		if err != nil || p.Leaf != leafOf(position) || p.Check(events.Position(position)) != nil {
			t.Errorf("a wrong proof for %d: %v", position, err)
		}
	}
	return false
}

func restore(t *testing.T, dir string, names []string, name string, whole []byte) {
	t.Helper()
	if err := os.WriteFile(name, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(got) != len(names) {
		t.Fatalf("%v, %v", got, err)
	}
}
