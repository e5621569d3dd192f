package follow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/projections"
)

// Log is what a state of the past is folded from.
type Log interface {
	// Last returns the last position.
	Last(ctx context.Context) (events.Position, error)
	// Read gives records; see journal.Journal.Read.
	Read(ctx context.Context, from journal.Cursor, to events.Position, fn func(*journal.Record) error) error
}

// How much of the past is kept: snapshots after so much of the log, as many and
// as large together as that. Beyond it, the one goes whose absence leaves the
// shortest piece of the log to fold.
const (
	historyDir           = "history"
	historySpacing       = 4 << 20
	historyFiles         = 256
	historyBytes   int64 = 512 << 20
	// A snapshot is written after no less of the log than this many times its
	// size: writing costs little beside reading then, however large a state is.
	historyShare = 4
)

// History is the snapshots of a directory, by which a state of the past is
// folded from near before it, and not from the first record. None is needed
// and none is trusted: each is checked against the log before it is used, and
// dropped if it does not fit. A nil History has none. It is safe for
// concurrent use.
type History struct {
	dir      string // of a follower
	key      []byte // of its snapshots
	log      *slog.Logger
	readOnly bool

	spacing  int64
	maxFiles int
	maxBytes int64

	one  sync.Mutex // held while one is written
	mu   sync.Mutex // guards what follows
	kept []kept     // by position
}

// kept is a snapshot of the past. Its name tells where it stands, so that the
// nearest one is found without opening the others.
type kept struct {
	position events.Position
	time     time.Time // the log's own there
	read     int64     // bytes of the log since the one before
	size     int64     // of the file
}

const keptName = "%020d-%020d-%d.snapshot" // position, time in microseconds, bytes of the log

func (k kept) file() string { return fmt.Sprintf(keptName, k.position, k.time.UnixMicro(), k.read) }

// sealed is what the file is sealed for: what it stands for may change.
func (k kept) sealed() string { return fmt.Sprintf("past-%d-%d", k.position, k.time.UnixMicro()) }

// ReadHistory lists the snapshots of a follower's directory that nobody follows
// the log with now. key is the follower's. It changes nothing there.
func ReadHistory(dir string, key []byte, log *slog.Logger) (*History, error) {
	h := newHistory(dir, key, log)
	h.readOnly = true
	return h, h.list()
}

func newHistory(dir string, key []byte, log *slog.Logger) *History {
	return &History{dir: dir, key: key, log: log, spacing: historySpacing, maxFiles: historyFiles, maxBytes: historyBytes}
}

// folder is where the snapshots of the past are; those that a follower starts
// from stand beside it.
func (h *History) folder() string { return filepath.Join(h.dir, historyDir) }

func (h *History) path(k kept) string { return filepath.Join(h.folder(), k.file()) }

// list finds what is there.
func (h *History) list() error {
	entries, err := os.ReadDir(h.folder())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		var k kept
		var micros int64
		if n, _ := fmt.Sscanf(e.Name(), keptName, &k.position, &micros, &k.read); n != 3 {
			continue
		}
		k.time = time.UnixMicro(micros).UTC()
		info, err := e.Info()
		if err != nil || e.Name() != k.file() {
			continue
		}
		k.size = info.Size()
		h.kept = append(h.kept, k)
	}
	slices.SortFunc(h.kept, byPosition)
	return err
}

func byPosition(a, b kept) int { return cmp.Compare(a.position, b.position) }

// open makes the folder, if it is missing, and lists it.
func (h *History) open() error {
	if err := os.MkdirAll(h.folder(), 0o700); err != nil {
		return err
	}
	return errors.Join(removeUnfinished(h.folder(), "*.snapshot"), h.list())
}

// Nearest returns a state to fold the log from: the last one kept that shows
// nothing after a position (0: any) and no event later than a time (zero: any),
// or the state before the first record. The state is the caller's.
//
// before is the position of a record by which the log is past that time, as far
// as the snapshots tell; 0: they do not.
func (h *History) Nearest(ctx context.Context, log Log, position events.Position, until time.Time) (state *projections.State, before events.Position, err error) {
	if h == nil {
		return projections.New(), 0, nil
	}
	candidates, before := h.candidates(position, until)
	for _, c := range candidates {
		state, err := c.load(ctx, log, h.key)
		var archived *journal.ArchivedError
		switch {
		case err == nil:
			return state, before, nil
		case errors.As(err, &archived):
			return projections.New(), before, nil // so are those before
		case errors.Is(err, journal.ErrUnavailable) || ctx.Err() != nil:
			return nil, 0, err
		}
		h.refuse(c, err)
	}
	return projections.New(), before, nil
}

// refuse leaves out a snapshot of the past that is none of this log's past. One
// that a follower may start from is left to the next start to judge.
func (h *History) refuse(c candidate, err error) {
	h.log.Warn("a snapshot of the past is not used", "file", filepath.Base(c.path), "err", err)
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.kept, func(k kept) bool { return h.path(k) == c.path })
	bad := errors.Is(err, errSnapshot) || errors.Is(err, seal.ErrUnseal) || errors.Is(err, projections.ErrSnapshot)
	if i >= 0 && bad && !h.readOnly {
		h.remove(i)
	}
}

// forget removes what stands before the beginning of the log: nothing is folded
// from there any more.
func (h *History) forget(first events.Position) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.kept) > 0 && h.kept[0].position < first {
		h.remove(0)
	}
}

// remove takes out a snapshot; the next one then stands for its piece of the
// log, too. The caller holds mu.
func (h *History) remove(i int) {
	gone := h.kept[i]
	if err := os.Remove(h.path(gone)); err != nil && !errors.Is(err, os.ErrNotExist) {
		h.log.Warn("it cannot be removed", "err", err)
	}
	h.kept = slices.Delete(h.kept, i, i+1)
	if i < len(h.kept) {
		h.stretch(i, gone.read)
	}
}

// stretch makes a snapshot stand for more of the log, or for less.
func (h *History) stretch(i int, by int64) {
	before := h.path(h.kept[i])
	after := h.kept[i]
	after.read = max(0, after.read+by)
	if err := os.Rename(before, h.path(after)); err != nil {
		h.log.Warn("a snapshot of the past cannot be renamed", "err", err)
		return
	}
	h.kept[i] = after
}
