package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// outForm is the value of --out.
type outForm string

const (
	outTable  outForm = "table"
	outJSON   outForm = "json"
	outNDJSON outForm = "ndjson"
)

func (f *outForm) UnmarshalText(b []byte) error {
	switch *f = outForm(b); *f {
	case outTable, outJSON, outNDJSON:
		return nil
	}
	return fmt.Errorf("%.40q is not one of table, json, ndjson", b)
}

// isTerminal reports whether somebody looks at what is written to a stream, or
// types what is read from it.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	void, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, void)
}

// printAs writes an answer: whole as JSON, by line as NDJSON, where each line
// is an object of one member, which says what it is, or as tables.
func printAs(w io.Writer, form outForm, whole any, lines func(line func(kind string, v any)), tables func(*tables)) error {
	if form == "" {
		form = outJSON
		if isTerminal(w) {
			form = outTable
		}
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	switch form {
	case outTable:
		t := newTables(w)
		tables(t)
		return t.w.Flush()
	case outNDJSON:
		var err error
		lines(func(kind string, v any) {
			if err == nil {
				err = encoder.Encode(map[string]any{kind: v})
			}
		})
		return err
	}
	encoder.SetIndent("", "  ")
	return encoder.Encode(whole)
}

// tables writes columns. Errors stay in the writer until it is flushed.
type tables struct{ w *tabwriter.Writer }

func newTables(w io.Writer) *tables { return &tables{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)} }

// row writes cells. What is not there is a dash.
func (t *tables) row(cells ...any) {
	text := make([]string, len(cells))
	for i, cell := range cells {
		text[i] = cellText(cell)
	}
	fmt.Fprintln(t.w, strings.TrimRight(strings.Join(text, "\t"), "\t"))
}

// head begins a new table behind an empty line.
func (t *tables) head(names ...any) {
	// A tab cell would be aligned with the table before.
	fmt.Fprintln(t.w)
	t.w.Flush()
	t.row(names...)
}

func cellText(v any) string {
	switch v := v.(type) {
	case time.Time:
		if v.IsZero() {
			return "-"
		}
		return v.UTC().Format(time.RFC3339Nano)
	case *time.Time:
		if v == nil {
			return "-"
		}
		return cellText(*v)
	case string:
		return printable(v)
	case []string:
		return printable(strings.Join(v, " "))
	}
	return printable(fmt.Sprint(v))
}

// printable keeps what the log holds from commanding a terminal, and from
// breaking its line.
func printable(s string) string {
	if s == "" {
		return "-"
	}
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) >= 0 {
		return strconv.QuoteToGraphic(s)
	}
	return s
}
