package audit

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// exporter writes entries in a form.
type exporter struct {
	control *http.ResponseController // nil: nobody waits at the other end
	out     *bufio.Writer
	csv     *csv.Writer   // or
	json    *json.Encoder // the other
	written int           // since the deadline was set
}

func newExporter(form string, w io.Writer, control *http.ResponseController) *exporter {
	e := &exporter{control: control, out: bufio.NewWriterSize(w, 64<<10)}
	if form == formCSV {
		e.csv = csv.NewWriter(e.out)
		e.csv.UseCRLF = true // RFC 4180
		return e
	}
	e.json = json.NewEncoder(e.out)
	e.json.SetEscapeHTML(false)
	return e
}

// columns of a CSV file.
var columns = []string{
	"position", "time", "type", "id", "version", "organizationId", "actorApplication", "actorUser", "actorReplica",
	"correlation", "causation", "data",
}

func (x *exporter) begin() error {
	if err := x.patiently(); err != nil || x.csv == nil {
		return err
	}
	return x.csv.Write(columns)
}

func (x *exporter) write(e Entry) error {
	// One piece may be much, and each part of it has its time.
	if x.written++; x.written%1000 == 0 {
		if err := x.patiently(); err != nil {
			return err
		}
	}
	if x.csv == nil {
		return x.json.Encode(e)
	}
	data, err := json.Marshal(e.Data)
	if err != nil {
		return err
	}
	row := []string{
		strconv.FormatUint(uint64(e.Position), 10), e.Time.UTC().Format(time.RFC3339Nano), string(e.Type), e.ID, strconv.Itoa(e.Version),
		e.Organization, e.Actor.Application, e.Actor.User, e.Actor.Replica, e.Correlation, e.Causation, string(data),
	}
	for i := range row {
		row[i] = harmless(row[i])
	}
	return x.csv.Write(row)
}

// harmless keeps a spreadsheet from taking a field for a formula: one that begins
// like one gets an apostrophe before it.
func harmless(field string) string {
	if field != "" && strings.ContainsRune("=+-@\t\r\n|%", rune(field[0])) {
		return "'" + field
	}
	return field
}

// flush sends what was written.
func (x *exporter) flush() error {
	if err := x.patiently(); err != nil {
		return err
	}
	if x.csv != nil {
		x.csv.Flush()
		if err := x.csv.Error(); err != nil {
			return err
		}
	}
	if err := x.out.Flush(); err != nil {
		return err
	}
	if x.control == nil {
		return nil
	}
	return x.control.Flush()
}

func (x *exporter) patiently() error {
	if x.control == nil {
		return nil
	}
	return x.control.SetWriteDeadline(time.Now().Add(patience))
}
