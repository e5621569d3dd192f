package tree

import (
	"bytes"
	"io"
	"path/filepath"
	"testing"
)

// A packed tree is unpacked as it was saved, and nothing behind it is read. Cut
// short anywhere, it makes no tree.
func TestPack(t *testing.T) {
	for _, size := range []int64{1, 255, 256, 700} {
		dir := t.TempDir()
		tree, _ := grown(t, dir, size)
		if err := tree.Save(); err != nil {
			t.Fatal(err)
		}
		saved, at := head(t, tree), tree.At()
		for n := size; n < size+300; n++ { // not saved
			if err := tree.Append(leafOf(n), at.Chain); err != nil {
				t.Fatal(err)
			}
		}
		var packed bytes.Buffer
		if err := Pack(&packed, dir); err != nil {
			t.Fatal(err)
		}
		length := packed.Len()
		packed.WriteString("rest")

		copied := filepath.Join(t.TempDir(), "tree")
		for _, n := range []int{0, 3, 4, length / 2, length - 1} {
			if err := Unpack(copied, bytes.NewReader(packed.Bytes()[:n])); err == nil {
				t.Errorf("%d of %d bytes make a tree", n, length)
			}
		}
		skipped := bytes.NewReader(packed.Bytes())
		if err := SkipPacked(skipped); err != nil || skipped.Len() != 4 {
			t.Errorf("skipped up to %d: %v", skipped.Len(), err)
		}
		if err := Unpack(copied, &packed); err != nil {
			t.Fatal(err)
		}
		if rest, _ := io.ReadAll(&packed); string(rest) != "rest" {
			t.Errorf("%q is left", rest)
		}
		again, err := Load(copied)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		if head(t, again) != saved || again.At() != at {
			t.Errorf("%d leaves: unpacked %v, want %v", size, head(t, again), saved)
		}
		p, err := again.Inclusion(1, size)
		if err != nil || p.Check(1) != nil || p.Leaf != leafOf(1) {
			t.Errorf("%d leaves: the proof of the first: %v", size, err)
		}
	}
}
