package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "add the golden files that are missing; existing ones are never changed")

const goldenDir = "testdata/golden"

// TestGolden holds the package to what it has ever written. A golden file is
// an event as it stands in logs out there: files are added, never edited.
func TestGolden(t *testing.T) {
	for _, name := range Types() {
		for v := 1; v <= catalogue[name].version(); v++ {
			t.Run(fmt.Sprintf("%s.v%d", name, v), func(t *testing.T) { checkGolden(t, name, v) })
		}
	}
}

func checkGolden(t *testing.T, name Type, version int) {
	known := catalogue[name]
	path := filepath.Join(goldenDir, fmt.Sprintf("%s.v%d.json", name, version))
	file, err := os.ReadFile(path)
	if *rewrite && errors.Is(err, fs.ErrNotExist) && version == known.version() {
		file = append(mustAppend(t, sampleEvent(known)), '\n')
		err = os.WriteFile(path, file, 0o644)
	}
	if err != nil {
		t.Fatalf("%v (go test -run TestGolden -rewrite adds the current version)", err)
	}
	line := bytes.TrimSuffix(file, []byte("\n"))
	e := decodeOne(t, line)
	if e.Type != name || e.Version != known.version() {
		t.Errorf("decoded as %s version %d", e.Type, e.Version)
	}
	again := mustAppend(t, e)
	if version == known.version() && !bytes.Equal(again, line) {
		t.Errorf("encoded again:\n%s\nin the file:\n%s", again, line)
	}
	if diff := cmp.Diff(e, decodeOne(t, again)); diff != "" {
		t.Errorf("not the same event after another round:\n%s", diff)
	}
}

// TestGoldenFilesBelong finds files of types or versions that the registry no
// longer reads: those logs would stop every replica.
func TestGoldenFilesBelong(t *testing.T) {
	files, err := os.ReadDir(goldenDir)
	if err != nil {
		t.Fatal(err)
	}
	pattern := regexp.MustCompile(`^(.+)\.v(\d+)\.json$`)
	for _, f := range files {
		m := pattern.FindStringSubmatch(f.Name())
		if m == nil {
			t.Errorf("%s: not a golden file's name", f.Name())
			continue
		}
		version, _ := strconv.Atoi(m[2])
		if known := catalogue[Type(m[1])]; known == nil || version > known.version() {
			t.Errorf("%s: no such type or version in the registry", f.Name())
		}
	}
}

// sampleEvent fills every field, so that a golden file shows every member.
func sampleEvent(known *entry) *Event {
	data := known.new()
	fill(reflect.ValueOf(data).Elem(), "")
	return &Event{
		ID:           "e_3VJ6Y2QK4ZB7T5M1",
		Time:         time.Date(2026, 11, 22, 11, 14, 14, 123456000, time.UTC),
		Organization: "acme",
		Actor:        Actor{Application: "a_7F2K", User: "u_9Q4D"},
		Correlation:  "r_5H8N",
		Causation:    "e_2X6P",
		Data:         data,
	}
}

// fill sets v and all that is in it to something that is not zero.
func fill(v reflect.Value, name string) {
	switch p := v.Addr().Interface().(type) {
	case *time.Time:
		*p = time.Date(2027, 1, 2, 3, 4, 5, 678900000, time.UTC)
		return
	case *json.RawMessage:
		*p = json.RawMessage(`{"kty":"EC","crv":"P-256","x":"<&>"}`)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, f := range reflect.VisibleFields(v.Type()) {
			if f.Anonymous {
				continue
			}
			tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			fill(v.FieldByIndex(f.Index), tag)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), name)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), fmt.Sprint(name, i))
		}
	case reflect.String:
		v.SetString(name)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(len(name)) * 60)
	case reflect.Uint64:
		v.SetUint(uint64(len(name)))
	case reflect.Uint8:
		v.SetUint(uint64(0xa0 + len(name)))
	default:
		panic("no sample for a " + v.Kind().String())
	}
}

func mustAppend(t testing.TB, e *Event) []byte {
	t.Helper()
	b, err := AppendEvent(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decodeOne decodes an event in a page of its own.
func decodeOne(t *testing.T, encoded []byte) *Event {
	t.Helper()
	_, list, err := DecodePage(AppendPage(nil, PageHeader{}, encoded))
	if err != nil {
		t.Fatal(err)
	}
	all, err := collect(list)
	if err != nil || len(all) != 1 {
		t.Fatalf("%d events: %v", len(all), err)
	}
	return all[0]
}
