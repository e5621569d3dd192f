package follow

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/grantlog/grantlog/events/journal"
)

const (
	watermarkName  = "watermark"
	watermarkForm  = "%d %s\n"
	watermarkEvery = time.Second
)

// watermarker keeps the place that this replica is known to have applied
// outside of the log, so that a log that lost its end does not go unnoticed.
type watermarker struct {
	moved chan struct{}
	saved journal.Cursor // by this process; used by one goroutine at a time
}

// Watermark reads the last place that a follower with this directory noted:
// the log must reach it, with that chain. Without one it returns the zero
// Cursor.
func Watermark(dir string) (journal.Cursor, error) {
	b, err := os.ReadFile(filepath.Join(dir, watermarkName))
	if errors.Is(err, fs.ErrNotExist) {
		return journal.Cursor{}, nil
	}
	if err != nil {
		return journal.Cursor{}, fmt.Errorf("follow: watermark: %w", err)
	}
	var at journal.Cursor
	var chain []byte
	if _, err := fmt.Sscanf(string(b), "%d %x\n", &at.Position, &chain); err != nil || len(chain) != len(at.Chain) {
		return journal.Cursor{}, fmt.Errorf("follow: watermark: %s is not readable; without it a shortened log goes unnoticed, so remove it only if the log is known to be whole",
			filepath.Join(dir, watermarkName))
	}
	copy(at.Chain[:], chain)
	return at, nil
}

// keepWatermark notes the place now and then. What was applied since the last
// note is what a shortened log may lack unnoticed.
func (f *Follower) keepWatermark(ctx context.Context) {
	failing := false
	for {
		select {
		case <-f.watermark.moved:
		case <-ctx.Done():
			return
		}
		err := f.saveWatermark()
		if err != nil && !failing {
			f.log.Warn("the watermark cannot be written", "err", err)
		}
		failing = err != nil
		select {
		case <-time.After(watermarkEvery):
		case <-ctx.Done():
			return
		}
	}
}

// saveWatermark never goes back: before the replica is ready it may be behind
// what was noted.
func (f *Follower) saveWatermark() error {
	if f.trusted() != nil {
		return nil
	}
	at := f.applied.Load().Cursor
	if at == f.watermark.saved {
		return nil
	}
	_, err := replaceFile(f.cfg.Dir, watermarkName, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, watermarkForm, at.Position, hex.EncodeToString(at.Chain[:]))
		return err
	})
	if err == nil {
		f.watermark.saved = at
	}
	return err
}
