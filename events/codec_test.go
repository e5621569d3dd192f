package events

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// readEvent decodes one event by the given registry and reports whether it
// was taken.
func readEvent(types registry, b []byte) (*Event, error) {
	_, list, err := types.decodePage(AppendPage(nil, PageHeader{Commit: "c", Replica: "r"}, b))
	if err != nil {
		return nil, err
	}
	all, err := collect(list)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

const (
	hotEvent     = `{"id":"e_1","type":"token.issued","version":1,"time":"2026-11-22T11:14:14.123456Z","organization":"acme","actor":{"application":"a_1","user":"u_1"},"correlation":"r_1","causation":"e_0","data":{"jti":"000102030405060708090a0b0c0d0e0f","digest":"f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff","application":"a_1","secret":1,"user":"u_1","grant":"g","scope":"s","key":"k","issuedAt":1,"expiresAt":2}}`
	revokedEvent = `{"id":"e_1","type":"token.revoked","version":1,"time":"2026-11-22T11:14:14.123456Z","organization":"acme","actor":{"application":"a_1"},"correlation":"r_1","data":{"jti":"000102030405060708090a0b0c0d0e0f","application":"a_1","reason":"r"}}`
	coldEvent    = `{"id":"e_1","type":"application.updated","version":1,"time":"2026-11-22T11:14:14.123456Z","organization":"acme","data":{"id":"a_1","name":"n","scopes":["s"],"limits":{"perMinute":1}}}`
)

// TestStrictness changes one thing of an event that is fine.
func TestStrictness(t *testing.T) {
	for name, c := range map[string]struct {
		event, old, new string
		ok              bool
	}{
		"hot as it is":               {hotEvent, "", "", true},
		"hot with white space":       {hotEvent, `"secret":1`, `"secret" : 1`, true},
		"hot in another order":       {hotEvent, `"issuedAt":1,"expiresAt":2`, `"expiresAt":2,"issuedAt":1`, true},
		"hot with an escape":         {hotEvent, `"scope":"s"`, `"scope":"\u0073"`, true},
		"hot without optional":       {hotEvent, `"user":"u_1","grant"`, `"grant"`, true},
		"hot with a service":         {hotEvent, `"user":"u_1","grant"`, `"user":"u_1","service":"5-1","grant"`, true},
		"hot with a service only":    {hotEvent, `"user":"u_1","grant"`, `"service":"5-1","grant"`, true},
		"hot with unicode":           {hotEvent, `"scope":"s"`, `"scope":"é"`, true},
		"hot with a negative number": {hotEvent, `"issuedAt":1`, `"issuedAt":-1`, true},
		"hot with a user only":       {hotEvent, `"application":"a_1","user":"u_1"},"corr`, `"user":"u_1"},"corr`, true},
		"hot with an empty actor":    {hotEvent, `"application":"a_1","user":"u_1"},"corr`, `},"corr`, true},
		"hot with an empty string":   {hotEvent, `"scope":"s"`, `"scope":""`, true},
		"revoked as it is":           {revokedEvent, "", "", true},
		"revoked with white space":   {revokedEvent, `"reason":"r"`, `"reason" : "r" `, true},
		"revoked in another order":   {revokedEvent, `"application":"a_1","reason":"r"`, `"reason":"r","application":"a_1"`, true},
		"revoked with an escape":     {revokedEvent, `"reason":"r"`, `"reason":"\u0072"`, true},
		"revoked without a reason":   {revokedEvent, `,"reason":"r"`, ``, true},
		"cold as it is":              {coldEvent, "", "", true},
		"cold with white space":      {coldEvent, `"id":"a_1",`, "\"id\" :\n\"a_1\"\t,", true},
		"cold with null for a list":  {coldEvent, `["s"]`, `null`, true},
		"cold with an escaped name":  {coldEvent, `"name"`, `"n\u0061me"`, true},

		"unknown member of the envelope":      {hotEvent, `"id":"e_1"`, `"id":"e_1","x":1`, false},
		"unknown member of a hot payload":     {hotEvent, `"grant"`, `"x":{},"grant"`, false},
		"unknown member of a payload":         {coldEvent, `"name"`, `"x":1,"name"`, false},
		"unknown member in a payload":         {coldEvent, `"perMinute"`, `"perSecond"`, false},
		"unknown member of the actor":         {hotEvent, `"user":"u_1"},`, `"replica":"r"},`, false},
		"another case in the envelope":        {hotEvent, `"organization"`, `"Organization"`, false},
		"another case in a hot payload":       {hotEvent, `"jti"`, `"JTI"`, false},
		"another case in a payload":           {coldEvent, `"scopes"`, `"sCopes"`, false},
		"member twice in the envelope":        {hotEvent, `"id":"e_1"`, `"id":"e_1","id":"e_1"`, false},
		"member twice in a hot payload":       {hotEvent, `"scope":"s"`, `"scope":"s","scope":"s"`, false},
		"member twice in a payload":           {coldEvent, `"name":"n"`, `"name":"n","n\u0061me":"n"`, false},
		"member twice in a member":            {coldEvent, `{"perMinute":1}`, `{"perMinute":1,"perMinute":1}`, false},
		"data twice":                          {coldEvent, `"data":`, `"data":{},"data":`, false},
		"member missing in the envelope":      {hotEvent, `"version":1,`, ``, false},
		"member missing in a hot payload":     {hotEvent, `"digest":"f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",`, ``, false},
		"member missing in a payload":         {coldEvent, `"name":"n",`, ``, false},
		"no data":                             {coldEvent, `"data"`, `"causation":"e_0","date"`, false},
		"null for the data":                   {`{"id":"e_1","type":"beacon.sent","version":1,"time":"2026-11-22T11:14:14.123456Z","data":null}`, "", "", false},
		"list for the data":                   {`{"id":"e_1","type":"beacon.sent","version":1,"time":"2026-11-22T11:14:14.123456Z","data":[]}`, "", "", false},
		"service twice":                       {hotEvent, `"user":"u_1","grant"`, `"service":"5-1","service":"5-1","grant"`, false},
		"unknown member of a revocation":      {revokedEvent, `"reason":"r"`, `"reason":"r","x":1`, false},
		"member twice in a revocation":        {revokedEvent, `"reason":"r"`, `"reason":"r","reason":"r"`, false},
		"member missing in a revocation":      {revokedEvent, `"application":"a_1",`, ``, false},
		"another case in a revocation":        {revokedEvent, `"reason"`, `"Reason"`, false},
		"short jti of a revocation":           {revokedEvent, `0c0d0e0f`, `0c0d0e`, false},
		"upper-case jti of a revocation":      {revokedEvent, `0c0d0e0f`, `0C0d0e0f`, false},
		"null for the reason of a revocation": {revokedEvent, `"reason":"r"`, `"reason":null`, false},
		"null for a hot member":               {hotEvent, `"secret":1`, `"secret":null`, false},
		"null for a member":                   {coldEvent, `"name":"n"`, `"name":null`, false},
		"string for a number":                 {hotEvent, `"secret":1`, `"secret":"1"`, false},
		"fraction":                            {hotEvent, `"issuedAt":1`, `"issuedAt":1.0`, false},
		"leading zero":                        {hotEvent, `"issuedAt":1`, `"issuedAt":01`, false},
		"number beyond any":                   {hotEvent, `"issuedAt":1`, `"issuedAt":1e400`, false},
		"number of 20 digits":                 {hotEvent, `"issuedAt":1`, `"issuedAt":10000000000000000000`, false},
		"empty number":                        {hotEvent, `"issuedAt":1`, `"issuedAt":`, false},
		"upper-case hex":                      {hotEvent, `0f"`, `0F"`, false},
		"short hex":                           {hotEvent, `0e0f"`, `0e"`, false},
		"long hex":                            {hotEvent, `0e0f"`, `0e0f10"`, false},
		"control character":                   {hotEvent, `"scope":"s"`, "\"scope\":\"\n\"", false},
		"time without fraction":               {hotEvent, `.123456Z`, `Z`, false},
		"time in milliseconds":                {hotEvent, `.123456Z`, `.123Z`, false},
		"time with an offset":                 {hotEvent, `.123456Z`, `.1+00:00Z`, false},
		"time that does not exist":            {hotEvent, `11-22T`, `11-31T`, false},
		"hour that does not exist":            {hotEvent, `T11:`, `T24:`, false},
		"leap second":                         {hotEvent, `:14.`, `:60.`, false},
		"empty id":                            {hotEvent, `"id":"e_1"`, `"id":""`, false},
		"version zero":                        {hotEvent, `"version":1`, `"version":0`, false},
		"version below zero":                  {coldEvent, `"version":1`, `"version":-1`, false},
		"trailing bytes in a page":            {coldEvent, `}}}`, `}}}x`, false},
		"trailing brace":                      {hotEvent, `}}`, `}}}`, false},
		"missing brace":                       {hotEvent, `}}`, `}`, false},
		"null for the actor":                  {hotEvent, `{"application":"a_1","user":"u_1"}`, `null`, false},
		"secret digest of the wrong length":   {strings.Replace(coldEvent, "updated", "secret_rotated", 1), `"name":"n","scopes":["s"],"limits":{"perMinute":1}`, `"secret":"AAAA"`, false},
		"secret digest that is a hidden null": {strings.Replace(coldEvent, "updated", "secret_rotated", 1), `"name":"n","scopes":["s"],"limits":{"perMinute":1}`, `"secret":{}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(c.event, c.old) {
				t.Fatalf("%s is not in the event", c.old)
			}
			e, err := readEvent(catalogue, []byte(strings.Replace(c.event, c.old, c.new, 1)))
			if c.ok && err != nil || !c.ok && !errors.Is(err, ErrMalformed) {
				t.Errorf("event %+v, error %v", e, err)
			}
		})
	}
}

func TestUnknownTypes(t *testing.T) {
	for name, c := range map[string]struct {
		event string
		want  UnknownTypeError
	}{
		"type":                  {strings.Replace(coldEvent, "updated", "renamed", 1), UnknownTypeError{"application.renamed", 1}},
		"type in other spacing": {strings.Replace(coldEvent, `"application.updated"`, ` "token.spent"`, 1), UnknownTypeError{"token.spent", 1}},
		"newer version":         {strings.Replace(coldEvent, `"version":1`, `"version":2`, 1), UnknownTypeError{"application.updated", 2}},
		"newer hot version":     {strings.Replace(hotEvent, `"version":1`, `"version":2`, 1), UnknownTypeError{"token.issued", 2}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readEvent(catalogue, []byte(c.event))
			var unknown *UnknownTypeError
			if !errors.As(err, &unknown) || *unknown != c.want || errors.Is(err, ErrMalformed) {
				t.Fatalf("error %v", err)
			}
			if !strings.Contains(err.Error(), string(c.want.Type)) {
				t.Errorf("%q does not name the type", err)
			}
		})
	}
}

// What cannot be read must not be written: the log is forever.
func TestAppendEventRefuses(t *testing.T) {
	for name, change := range map[string]func(*Event){
		"no data":              func(e *Event) { e.Data = nil },
		"nil payload":          func(e *Event) { e.Data = (*BeaconSent)(nil) },
		"nil hot payload":      func(e *Event) { e.Data = (*TokenIssued)(nil) },
		"no id":                func(e *Event) { e.ID = "" },
		"no time":              func(e *Event) { e.Time = time.Time{} },
		"time beyond the form": func(e *Event) { e.Time = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"another type":         func(e *Event) { e.Type = "beacon.sent" },
		"another version":      func(e *Event) { e.Version = 2 },
		"type of nobody":       func(e *Event) { e.Type, e.Data = "", new(noteTaken) },
		"raw value not JSON":   func(e *Event) { e.Type, e.Data = "", &KeyCreated{Public: RawJSON("{")} },
		"raw value repeats":    func(e *Event) { e.Type, e.Data = "", &KeyCreated{Public: RawJSON(`{"kty":1,"kty":1}`)} },
		"payload time too late": func(e *Event) {
			e.Type, e.Data = "", &SecretRotated{EndsAt: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := issuedToken(1)
			change(e)
			got, err := AppendEvent([]byte("kept"), e)
			if err == nil || string(got) != "kept" {
				t.Errorf("%s, error %v", got, err)
			}
		})
	}
}

func TestAppendEventTakesTypeFromData(t *testing.T) {
	e := issuedToken(1)
	want := mustAppend(t, e)
	e.Type, e.Version = "", 0
	if got := mustAppend(t, e); string(got) != string(want) {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// noteTaken is a type with a history. Version 1 was {"text"}, version 2 named
// it "note", version 3 added its length.
type noteTaken struct {
	Note   string `json:"note"`
	Length int    `json:"length"`
}

func (*noteTaken) EventType() Type { return "note.taken" }

func noteRegistry() registry {
	return newRegistry(edited[noteTaken]("notes",
		func(old json.RawMessage) (json.RawMessage, error) {
			var v1 struct{ Text *string }
			if err := json.Unmarshal(old, &v1); err != nil || v1.Text == nil {
				return nil, errors.Join(err, errors.New("no text"))
			}
			return json.Marshal(map[string]string{"note": *v1.Text})
		},
		func(old json.RawMessage) (json.RawMessage, error) {
			var v2 struct{ Note string }
			if err := json.Unmarshal(old, &v2); err != nil {
				return nil, err
			}
			return json.Marshal(noteTaken{v2.Note, len(v2.Note)})
		},
	))
}

func TestUpcasting(t *testing.T) {
	const envelope = `{"id":"e_1","type":"note.taken","version":V,"time":"2026-11-22T11:14:14.000000Z","data":`
	for name, c := range map[string]struct {
		version, data string
		want          *noteTaken // nil: malformed
	}{
		"two steps":                  {"1", `{"text":"old"}`, &noteTaken{"old", 3}},
		"one step":                   {"2", `{"note":"newer"}`, &noteTaken{"newer", 5}},
		"current":                    {"3", `{"note":"now","length":7}`, &noteTaken{"now", 7}},
		"old payload as current":     {"3", `{"text":"old"}`, nil},
		"step that fails":            {"1", `{"note":"newer"}`, nil},
		"old payload repeats itself": {"1", `{"text":"old","text":"older"}`, nil},
		"old payload not JSON":       {"1", `{"text":}`, nil},
	} {
		for spelling, before := range map[string]string{"canonical": "", "spaced": " "} {
			t.Run(name+" "+spelling, func(t *testing.T) {
				b := strings.Replace(envelope, "V", c.version, 1) + before + c.data + "}"
				e, err := readEvent(noteRegistry(), []byte(b))
				if c.want == nil {
					if !errors.Is(err, ErrMalformed) {
						t.Errorf("event %+v, error %v", e, err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := e.Data.(*noteTaken); *got != *c.want || e.Version != 3 || e.Type != "note.taken" {
					t.Errorf("%+v with %+v", e, got)
				}
			})
		}
	}
	_, err := readEvent(noteRegistry(), []byte(strings.Replace(envelope, "V", "4", 1)+`{}}`))
	if unknown := new(UnknownTypeError); !errors.As(err, &unknown) || unknown.Version != 4 {
		t.Errorf("version 4: %v", err)
	}
}
