package tree

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/grantlog/grantlog/events"
)

// leafOf is the leaf of the record at a position of the tests' log.
func leafOf(position int64) Hash {
	return Leaf("grantlog.test", binary.BigEndian.AppendUint64(nil, uint64(position)))
}

// naive is RFC 6962 section 2.1, word by word.
func naive(leaves []Hash) Hash {
	switch n := len(leaves); n {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leaves[0]
	default:
		k := 1
		for k*2 < n {
			k *= 2
		}
		left, right := naive(leaves[:k]), naive(leaves[k:])
		return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
	}
}

// grown returns a tree of a size, and its leaves.
func grown(t testing.TB, dir string, size int64) (*Tree, []Hash) {
	t.Helper()
	tree, err := Open(dir, "log.example/oauth/log")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	leaves := make([]Hash, size)
	for i := range leaves {
		leaves[i] = leafOf(int64(i) + 1)
		if err := tree.Append(leaves[i], events.Chain{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	return tree, leaves
}

func head(t testing.TB, tree *Tree) Head {
	t.Helper()
	h, err := tree.Head()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// A leaf is what anybody can compute with sha256sum and the words of RFC 6962.
func TestLeaf(t *testing.T) {
	entry := fmt.Sprintf("%x  grantlog.tokens\n", sha256.Sum256([]byte("payload")))
	if got := string(AppendEntry(nil, "grantlog.tokens", []byte("payload"))); got != entry {
		t.Errorf("the entry is %q, want %q", got, entry)
	}
	if Leaf("grantlog.tokens", []byte("payload")) != Hash(sha256.Sum256([]byte("\x00"+entry))) {
		t.Error("the leaf is another hash")
	}
}

// The root is RFC 6962's at every size, and every proof holds against it.
func TestRootsAndProofsAreThoseOfRFC6962(t *testing.T) {
	const size = 66_000 // three levels of tiles
	sizes := []int64{1, 2, 3, 255, 256, 257, 511, 512, 1000, 65_535, 65_536, 65_537, size}
	tree, leaves := grown(t, t.TempDir(), size)
	var edge Edge
	roots := map[int64]Hash{}
	for i, leaf := range leaves {
		if err := edge.Append(leaf); err != nil {
			t.Fatal(err)
		}
		if n := int64(i) + 1; n <= 600 || n == size || slices.Contains(sizes, n) {
			h, err := edge.Head()
			if want := naive(leaves[:n]); err != nil || h != (Head{n, want}) {
				t.Fatalf("%d leaves: %v, %v, want %v", n, h, err, want)
			}
			roots[n] = h.Root
		}
	}
	if h := head(t, tree); h != (Head{size, roots[size]}) {
		t.Fatalf("the tree says %v", h)
	}
	for _, n := range sizes {
		for _, position := range []int64{1, 2, n / 2, n - 1, n} {
			if position < 1 || position > n {
				continue
			}
			p, err := tree.Inclusion(events.Position(position), n)
			if err != nil {
				t.Fatalf("inclusion of %d in %d: %v", position, n, err)
			}
			if p.Head != (Head{n, roots[n]}) || p.Leaf != leaves[position-1] || p.Check(events.Position(position)) != nil {
				t.Errorf("inclusion of %d in %d: %+v", position, n, p)
			}
			if position > 1 && p.Check(events.Position(position-1)) == nil {
				t.Errorf("the proof of %d in %d holds for another position", position, n)
			}
		}
		for _, from := range sizes {
			if from > n {
				continue
			}
			p, err := tree.Consistency(from, n)
			if err != nil || p.From.Root != roots[from] || p.To.Root != roots[n] || p.Check() != nil {
				t.Errorf("consistency of %d and %d: %+v, %v", from, n, p, err)
			}
			if p.From.Root[0] ^= 1; p.Check() == nil {
				t.Errorf("the proof of %d and %d holds for another root", from, n)
			}
		}
	}
}

func TestProofsOfWhatIsNotThere(t *testing.T) {
	tree, _ := grown(t, t.TempDir(), 300)
	for _, err := range []error{
		second(tree.Inclusion(0, 300)), second(tree.Inclusion(301, 301)), second(tree.Inclusion(5, 4)), second(tree.Inclusion(5, 301)),
		second(tree.Consistency(0, 300)), second(tree.Consistency(300, 299)), second(tree.Consistency(1, 301)),
	} {
		if !errors.Is(err, ErrBeyond) {
			t.Errorf("%v", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// Tiles are those of C2SP tlog-tiles: another program can compute the root from
// them alone.
func TestTiles(t *testing.T) {
	const size = 70_000 // the example of the specification
	tree, leaves := grown(t, t.TempDir(), size)
	for path, want := range map[string]int{
		"0/000": 256, "0/272": 256, "0/273.p/112": 112, "1/000": 256, "1/001.p/17": 17, "2/000.p/1": 1,
		"0/000.p/3": 3, "0/273.p/113": 0, "0/274": 0, "1/001": 0, "2/000.p/2": 0, "3/000.p/1": 0, "7/000.p/1": 0,
	} {
		c, ok := ParsePath(path)
		if !ok {
			t.Fatalf("%s is no path", path)
		}
		data, err := tree.Tile(c)
		switch {
		case want == 0 && !errors.Is(err, ErrBeyond):
			t.Errorf("%s: %d bytes, %v", path, len(data), err)
		case want > 0 && (err != nil || len(data) != want*tlog.HashSize):
			t.Errorf("%s: %d bytes, %v", path, len(data), err)
		}
		for i := 0; i < want; i++ {
			span := int64(1) << (8 * c.Level)
			first := (c.First + int64(i)) * span
			if got := Hash(data[i*tlog.HashSize:][:tlog.HashSize]); got != naive(leaves[first:first+span]) {
				t.Fatalf("%s: hash %d is another", path, i)
			}
		}
	}
}

func TestPaths(t *testing.T) {
	c, ok := ParsePath("entries/x001/x234/067.p/9")
	if !ok || !c.Entries || c.Level != 0 || c.First != 1234067*256 || c.Count != 9 || c.End() != c.First+9 {
		t.Errorf("%+v, %v", c, ok)
	}
	if c, ok = ParsePath("2/x001/000"); !ok || c.Entries || c.Level != 2 || c.First != 256_000 || c.Count != 256 || c.End() != 256_256<<16 {
		t.Errorf("%+v, %v", c, ok)
	}
	for _, bad := range []string{
		"", "0", "0/", "0/0", "0/1", "0/01", "0/1234", "00/000", "8/000", "64/000", "-1/000", "0/x000/001", "0/001/x002", "data/000", "entries/data/000",
		"0/000.p/0", "0/000.p/256", "0/000.p/01", "0/000.p/", "0/000.p", "entries", "entries/", "0/x999/x999/x999/x999/x999/x999/999", "0/../000", "0/000/",
	} {
		if c, ok := ParsePath(bad); ok {
			t.Errorf("%q is taken for %+v", bad, c)
		}
	}
}

// A tile that cannot be written leaves the tree as it was.
func TestAppendAfterAnError(t *testing.T) {
	var edge Edge
	full := errors.New("the disk is full")
	for n := int64(1); n <= 255; n++ {
		if err := edge.Append(leafOf(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := edge.append(leafOf(256), func(int, int64, []byte) error { return full }); err != full || edge.Size() != 255 {
		t.Fatalf("%v at %d", err, edge.Size())
	}
	var leaves []Hash
	for n := int64(1); n <= 300; n++ {
		leaves = append(leaves, leafOf(n))
		if n > 255 {
			if err := edge.Append(leafOf(n)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if h, err := edge.Head(); err != nil || h.Root != naive(leaves) {
		t.Errorf("%v, %v", h, err)
	}
}

// Proofs of a tree of a million records; Checked is what who gets one does.
func BenchmarkProofs(b *testing.B) {
	const size = 1_000_000
	tree, _ := grown(b, b.TempDir(), size)
	b.Run("Inclusion", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := tree.Inclusion(events.Position(i*7919%size+1), size); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Consistency", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := tree.Consistency(int64(i*7919%size+1), size); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Checked", func(b *testing.B) {
		p, err := tree.Inclusion(123_456, size)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if err := p.Check(123_456); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// What a record costs the goroutine that applies it: a lone event, a full page.
func BenchmarkLeaf(b *testing.B) {
	for _, size := range []int{500, 400_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			payload := make([]byte, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				Leaf("grantlog.tokens", payload)
			}
		})
	}
}

// Adding a record to the tree, which a goroutine of its own does.
func BenchmarkAppend(b *testing.B) {
	tree, _ := grown(b, b.TempDir(), 0)
	leaf := leafOf(1)
	for b.Loop() {
		if err := tree.Append(leaf, events.Chain{}); err != nil {
			b.Fatal(err)
		}
	}
}
