package tree_test

import (
	"errors"
	"testing"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/tree"
)

// The edge of a tree can be put together from tiles, which may come from
// somewhere else, and grows as the tree does.
func TestEdgeOfTiles(t *testing.T) {
	leaves, err := tree.Open(t.TempDir(), "log.example/oauth/log")
	if err != nil {
		t.Fatal(err)
	}
	defer leaves.Close()
	wanted := map[int64]bool{0: true, 1: true, 255: true, 256: true, 257: true, 1000: true, 65535: true, 65536: true, 65537: true, 66000: true}
	for size := int64(0); size <= 66000; size++ {
		if wanted[size] {
			checkEdge(t, leaves, size)
		}
		if err := leaves.Append(tree.Hash{byte(size), byte(size >> 8), byte(size >> 16)}, events.Chain{}); err != nil {
			t.Fatal(err)
		}
	}
}

func checkEdge(t *testing.T, leaves *tree.Tree, size int64) {
	t.Helper()
	var tiles [][]byte
	for _, path := range tree.EdgePaths(size) {
		if path == "" {
			tiles = append(tiles, nil)
			continue
		}
		c, ok := tree.ParsePath(path)
		if !ok {
			t.Fatalf("%d: %q is no path", size, path)
		}
		tile, err := leaves.Tile(c)
		if err != nil {
			t.Fatalf("%d: %s: %v", size, path, err)
		}
		tiles = append(tiles, tile)
	}
	edge, err := tree.EdgeOf(size, tiles)
	if err != nil {
		t.Fatalf("%d: %v", size, err)
	}
	want, wantErr := leaves.Head()
	if got, err := edge.Head(); err != nil || wantErr != nil || got != want {
		t.Errorf("%d: %v, want %v (%v)", size, got, want, err)
	}
	for _, other := range []int64{size + 1, size + 300, -1} {
		if _, err := tree.EdgeOf(other, tiles); !errors.Is(err, tree.ErrDamaged) {
			t.Errorf("%d: taken for one over %d records (%v)", size, other, err)
		}
	}
}
