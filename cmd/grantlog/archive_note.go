package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
)

// archivingFile stands in a data directory while its log is rolled over, so
// that nobody opens what may not be whole.
func archivingFile(data string) string { return filepath.Join(data, "archiving") }

// archivingNote is what the file says.
type archivingNote struct {
	First events.Position `json:"first"` // of the log that is made
}

// note leaves the file, unless it is there.
func (w *workshop) note(first events.Position) error {
	if noted, err := readArchiving(w.dir.path); noted == first || err != nil {
		return err
	}
	text, err := json.Marshal(archivingNote{first})
	if err != nil {
		return err
	}
	return writeNew(archivingFile(w.dir.path), append(text, '\n'))
}

// readArchiving returns what the file says; 0: there is none.
func readArchiving(data string) (events.Position, error) {
	path := archivingFile(data)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("data directory: %w", err)
	}
	var note archivingNote
	if err := json.Unmarshal(text, &note); err != nil || note.First < 2 {
		return 0, fmt.Errorf("%s does not say where the log is to begin", path)
	}
	return note.First, nil
}

// checkArchiving refuses a data directory whose log is not whole.
func checkArchiving(data string) error {
	first, err := readArchiving(data)
	if err == nil && first != 0 {
		err = journal.ErrArchiving
	}
	return err
}

// clear removes a copy of the log that the server does not find, because it
// was killed while it wrote what the stream is: the other one is whole then.
func (w *workshop) clear(ctx context.Context) error {
	js, err := jetstream.New(w.Conn)
	if err != nil {
		return err
	}
	other := map[string]string{journal.StreamName: journal.NextName, journal.NextName: journal.StreamName}
	for name, whole := range other {
		lost, err := filepath.Glob(filepath.Join(storeDir(w.dir.path), "*", "streams", name))
		if err != nil || len(lost) == 0 {
			continue
		}
		if _, err := js.Stream(ctx, name); !errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		stream, err := js.Stream(ctx, whole)
		if err != nil || name == journal.StreamName && !stream.CachedInfo().Config.Sealed {
			return fmt.Errorf("%s cannot be read, and there is no whole copy of it: restore the log from a backup", lost[0])
		}
		w.embedded.land()
		if err := errors.Join(os.RemoveAll(lost[0]), w.embedded.launch()); err != nil {
			return err
		}
		if err := w.connected(ctx); err != nil {
			return err
		}
	}
	return nil
}
