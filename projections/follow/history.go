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

// How much of the past is kept: states after so much of the log, as many and as
// large together as that. Beyond it, the one goes whose absence leaves the
// shortest piece of the log to fold.
const (
	historyDir           = "history"
	historySpacing       = 4 << 20
	historyFiles         = 1024
	historyBytes   int64 = 512 << 20
	// One with all tokens is written after no less of the log than this many
	// times the size of the last one, and any other after this many times what
	// it has beside tokens: writing costs little beside reading then, however
	// large a state is.
	historyShare = 4
)

// History is the states of a directory, by which a state of the past is folded
// from near before it, and not from the first record. None is needed and none is
// trusted: each is checked against the log before it is used, and dropped if it
// does not fit. A nil History has none. It is safe for concurrent use.
//
// Each is an outline and a layer of tokens: all that the state has, or what it
// has more than another one, its base. Layers are small, so that there can be
// many of them, however many tokens are live at a time.
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

// kept is a state of the past. Its name tells where it stands, so that the
// nearest one is found without opening the others.
type kept struct {
	position events.Position
	time     time.Time       // the log's own there
	base     events.Position // of the state that its tokens come on top of; 0: none
	read     int64           // bytes of the log since the one before
	size     int64           // of the file
	outline  int64           // bytes of its outline; 0: not known
}

const (
	keptName = "%020d-%020d-%020d-%d.past" // position, time in microseconds, base, bytes of the log
	// formerly is what states of the past were named by a former version, which
	// this one cannot read.
	formerly = "*.snapshot"
)

func (k kept) file() string {
	return fmt.Sprintf(keptName, k.position, k.time.UnixMicro(), k.base, k.read)
}

// sealed is what the file is sealed for: what it stands for may change.
func (k kept) sealed() string {
	return fmt.Sprintf("past-%d-%d-%d", k.position, k.time.UnixMicro(), k.base)
}

// ReadHistory lists the states of a follower's directory that nobody follows
// the log with now. key is the follower's. It changes nothing there.
func ReadHistory(dir string, key []byte, log *slog.Logger) (*History, error) {
	h := newHistory(dir, key, log)
	h.readOnly = true
	return h, h.list()
}

func newHistory(dir string, key []byte, log *slog.Logger) *History {
	return &History{dir: dir, key: key, log: log, spacing: historySpacing, maxFiles: historyFiles, maxBytes: historyBytes}
}

// folder is where the states of the past are; the snapshots that a follower
// starts from stand beside it.
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
		if n, _ := fmt.Sscanf(e.Name(), keptName, &k.position, &micros, &k.base, &k.read); n != 4 {
			continue
		}
		k.time = time.UnixMicro(micros).UTC()
		info, err := e.Info()
		if err != nil || e.Name() != k.file() || k.base >= k.position {
			continue
		}
		k.size = info.Size()
		h.kept = append(h.kept, k)
	}
	slices.SortFunc(h.kept, byPosition)
	if last := len(h.kept) - 1; last >= 0 {
		if l, err := h.openLayer(h.kept[last]); err == nil {
			h.kept[last].outline = l.Sections
			l.close()
		}
	}
	return err
}

func byPosition(a, b kept) int { return cmp.Compare(a.position, b.position) }

// open makes the folder, if it is missing, and lists it.
func (h *History) open() error {
	if err := os.MkdirAll(h.folder(), 0o700); err != nil {
		return err
	}
	former, err := filepath.Glob(filepath.Join(h.folder(), formerly))
	for _, name := range former {
		err = errors.Join(err, os.Remove(name))
	}
	return errors.Join(err, removeUnfinished(h.folder(), "*.past", formerly), h.list())
}

// refuse leaves out a state of the past that is none of this log's past. A
// snapshot that a follower may start from is left to the next start to judge.
func (h *History) refuse(c candidate, err error) {
	h.log.Warn("a state of the past is not used", "position", c.position, "err", err)
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.kept, func(k kept) bool { return c.snapshot == "" && k.position == c.position })
	bad := errors.Is(err, errSnapshot) || errors.Is(err, seal.ErrUnseal) || errors.Is(err, projections.ErrSnapshot)
	if i >= 0 && bad && !h.readOnly {
		h.remove(i)
	}
}

// remove takes out a state; the next one then stands for its piece of the log,
// too. The caller holds mu.
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

// stretch makes a state stand for more of the log, or for less.
func (h *History) stretch(i int, by int64) {
	before := h.path(h.kept[i])
	after := h.kept[i]
	after.read = max(0, after.read+by)
	if err := os.Rename(before, h.path(after)); err != nil {
		h.log.Warn("a state of the past cannot be renamed", "err", err)
		return
	}
	h.kept[i] = after
}
