package events

import (
	"errors"
	"iter"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// collect copies the events of a page up to the first error.
func collect(list iter.Seq2[*Event, error]) (all []*Event, err error) {
	for e, err := range list {
		if err != nil {
			return all, err
		}
		kept := *e
		if token, ok := e.Data.(*TokenIssued); ok {
			of := *token
			kept.Data = &of
		}
		all = append(all, &kept)
	}
	return all, nil
}

func issuedToken(n byte) *Event {
	return &Event{
		ID:           "e_3VJ6Y2QK4ZB7T5M1P0",
		Type:         tokenIssuedName,
		Version:      1,
		Time:         time.Date(2026, 11, 22, 11, 14, 14, int(n)*1000, time.UTC),
		Organization: "acme",
		Actor:        Actor{Application: "a_7F2K9Q4D5H8N2X6P"},
		Correlation:  "r_5H8N2X6P7F2K9Q4D",
		Data: &TokenIssued{
			ID:          TokenID{n, 1, 2, 3, 0xff},
			Digest:      TokenDigest{n, 0xfe},
			Application: "a_7F2K9Q4D5H8N2X6P",
			Secret:      3,
			Grant:       "client_credentials",
			Scope:       "read:customers write:customers",
			Key:         "k_2026_11",
			IssuedAt:    1795346054,
			ExpiresAt:   1795349654,
		},
	}
}

func revokedToken(n byte) *Event {
	e := issuedToken(n)
	e.Type = tokenRevokedName
	e.Data = &TokenRevoked{ID: TokenID{n, 1, 2, 3, 0xff}, Application: "a_7F2K9Q4D5H8N2X6P", Reason: "revoked_by_client"}
	return e
}

var testHeader = PageHeader{Commit: "c_1", Replica: "r_1", Seen: Seen{Position: 122, Chain: Chain{1, 0xab}}}

func TestPageRoundTrip(t *testing.T) {
	deleted := &Event{ID: "e_2", Type: "application.deleted", Version: 1, Time: issuedToken(9).Time, Organization: "acme",
		Data: &ApplicationDeleted{ID: "a_1"}}
	for name, h := range map[string]PageHeader{
		"all members":      testHeader,
		"nothing seen":     {Commit: "c_2", Replica: "r_2"},
		"greatest seen":    {Commit: "c_3", Replica: "r_3", Seen: Seen{Position: 1<<64 - 1}},
		"names to escape":  {Commit: "c\n\"", Replica: "réplique \u2028"},
		"nothing is named": {},
	} {
		t.Run(name, func(t *testing.T) {
			want := []*Event{issuedToken(1), deleted, issuedToken(2)}
			var encoded [][]byte
			for _, e := range want {
				encoded = append(encoded, mustAppend(t, e))
				e.Actor.Replica = h.Replica
			}
			b := AppendPage([]byte("prefix "), h, encoded...)
			got, list, err := DecodePage(b[len("prefix "):])
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // a page can be read again
				all, err := collect(list)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, all); diff != "" || got != h {
					t.Errorf("header %+v, events:\n%s", got, diff)
				}
			}
		})
	}
}

func TestPageIterationStops(t *testing.T) {
	one := mustAppend(t, issuedToken(1))
	_, list, err := DecodePage(AppendPage(nil, testHeader, one, one, one))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for range list {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("read %d events after a break at the second", n)
	}
}

func TestPageSpellings(t *testing.T) {
	const e1 = `{"id":"e_1","type":"beacon.sent","version":1,"time":"2026-11-22T11:14:14.000000Z","data":{"nonce":"n"}}`
	const seen = `{"position":7,"chain":"` + "00000000000000000000000000000000000000000000000000000000000000ff" + `"}`
	for name, c := range map[string]struct {
		page string
		want int // events; 0: malformed
	}{
		"canonical":             {`{"commit":"c","replica":"r","events":[` + e1 + `]}`, 1},
		"seen":                  {`{"commit":"c","replica":"r","seen":` + seen + `,"events":[` + e1 + `,` + e1 + `]}`, 2},
		"white space":           {" {\n\"commit\" : \"c\",\t\"replica\":\"r\",\"events\":[ " + e1 + " , " + e1 + " ] }\r\n", 2},
		"white space in a list": {`{"commit":"c","replica":"r","events":[ ` + e1 + ` , ` + e1 + ` ]}`, 2},
		"another order":         {`{"events":[` + e1 + `],"replica":"r","commit":"c"}`, 1},
		"seen at the end":       {`{"commit":"c","replica":"r","events":[` + e1 + `],"seen":` + seen + `}`, 1},

		"nothing":              {``, 0},
		"not an object":        {`[]`, 0},
		"null":                 {`null`, 0},
		"no events":            {`{"commit":"c","replica":"r","events":[]}`, 0},
		"space for events":     {`{"commit":"c","replica":"r","events":[ ]}`, 0},
		"null for events":      {`{"commit":"c","replica":"r","events":null}`, 0},
		"object for events":    {`{"commit":"c","replica":"r","events":{"a":[]}}`, 0},
		"without events":       {`{"commit":"c","replica":"r"}`, 0},
		"without commit":       {`{"replica":"r","events":[` + e1 + `]}`, 0},
		"null for commit":      {`{"commit":null,"replica":"r","events":[` + e1 + `]}`, 0},
		"unknown member":       {`{"commit":"c","replica":"r","x":1,"events":[` + e1 + `]}`, 0},
		"another case":         {`{"Commit":"c","replica":"r","events":[` + e1 + `]}`, 0},
		"events twice":         {`{"commit":"c","replica":"r","events":[` + e1 + `],"events":[` + e1 + `]}`, 0},
		"commit twice":         {`{"commit":"c","commit":"c","replica":"r","events":[` + e1 + `]}`, 0},
		"seen without chain":   {`{"commit":"c","replica":"r","seen":{"position":7},"events":[` + e1 + `]}`, 0},
		"chain too short":      {`{"commit":"c","replica":"r","seen":{"position":7,"chain":"00"},"events":[` + e1 + `]}`, 0},
		"position below zero":  {`{"commit":"c","replica":"r","seen":` + strings.Replace(seen, "7", "-7", 1) + `,"events":[` + e1 + `]}`, 0},
		"trailing bytes":       {`{"commit":"c","replica":"r","events":[` + e1 + `]}x`, 0},
		"trailing page":        {`{"commit":"c","replica":"r","events":[` + e1 + `]}{"events":[]}`, 0},
		"trailing list":        {`{"commit":"c","replica":"r","events":[` + e1 + `]}]}`, 0},
		"no comma":             {`{"commit":"c","replica":"r","events":[` + e1 + e1 + `]}`, 0},
		"comma at the end":     {`{"commit":"c","replica":"r","events":[` + e1 + `,]}`, 0},
		"comma at the start":   {`{"commit":"c","replica":"r","events":[,` + e1 + `]}`, 0},
		"null as an event":     {`{"commit":"c","replica":"r","events":[` + e1 + `,null]}`, 0},
		"string as an event":   {`{"commit":"c","replica":"r","events":["` + `]}`, 0},
		"bracket as an event":  {`{"commit":"c","replica":"r","events":[]]}`, 0},
		"cut":                  {`{"commit":"c","replica":"r","events":[` + e1, 0},
		"cut in an event":      {`{"commit":"c","replica":"r","events":[` + e1[:40] + `]}`, 0},
		"deeper than a parser": {`{"commit":"c","replica":"r","events":[` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `]}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h, list, err := DecodePage([]byte(c.page))
			var all []*Event
			if err == nil {
				all, err = collect(list)
			}
			switch {
			case c.want == 0 && !errors.Is(err, ErrMalformed):
				t.Errorf("read %d events, error %v", len(all), err)
			case c.want > 0 && (err != nil || len(all) != c.want || h.Commit != "c" || h.Replica != "r"):
				t.Errorf("header %+v, %d events, error %v", h, len(all), err)
			}
		})
	}
}

// The header outlives the page's buffer, and so does what is not aliased.
func TestPageHeaderIsCopied(t *testing.T) {
	b := AppendPage(nil, testHeader, mustAppend(t, issuedToken(1)))
	h, _, err := DecodePage(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	if !reflect.DeepEqual(h, testHeader) {
		t.Errorf("%+v after its buffer was cleared", h)
	}
}
