package bench

import (
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/credential"
)

// pastLog is a data directory whose log began a while ago: issuances in full
// pages, one page after the other over a span of time that ends now.
type pastLog struct {
	*run
	span   time.Duration
	dir    string
	client credentials
	marks  []moment // one of each page: its time and its first token
}

const issuancesInPage = 1000

// build writes it, as a server would have.
func (l *pastLog) build(ctx context.Context) error {
	l.progress("asof: writing %d issuances of %v", l.Issuances, l.span)
	master := seal.NewMaster()
	l.client = credentials{ID: "app_" + applicationID, Secret: "of this run alone"}
	if err := os.WriteFile(filepath.Join(l.dir, "master.key"), []byte(master.Encode()+"\n"), 0o600); err != nil {
		return err
	}
	on := &logOnDisk{run: l.run, dir: l.dir, key: l.RecordKey(master)}
	return on.open(ctx, func(ctx context.Context, _ *nats.Conn, j *journal.Journal) error {
		began := time.Now().Add(-l.span)
		digest := credential.NewHasher(master.Derive(credential.Purpose)).Digest(l.client.Secret)
		app, admin := application(), application()
		app.Secret = &digest
		admin.ID, admin.ClientID, admin.Scopes = "a_admin", "app_admin", command.ManagementScopes
		_, err := j.Append(ctx, events.BootstrapSubject(),
			envelope(began, &events.OrganizationCreated{ID: organization, Name: "Default"}), envelope(began, admin), envelope(began, app))
		for n := 0; n < l.Issuances && err == nil; n += issuancesInPage {
			at := began.Add(time.Duration(float64(l.span) * float64(n) / float64(l.Issuances)))
			_, err = j.Append(ctx, events.TokensSubject(), l.page(at, min(issuancesInPage, l.Issuances-n))...)
		}
		return err
	})
}

// page is issuances of one moment.
func (l *pastLog) page(at time.Time, n int) []*events.Event {
	page := make([]*events.Event, n)
	for i := range page {
		d := issuance(at)
		if i == 0 {
			part := base64.RawURLEncoding.EncodeToString
			token := part([]byte(`{"alg":"ES256","typ":"at+jwt"}`)) + "." + part([]byte(`{"jti":"`+d.ID.String()+`"}`)) + "." + part([]byte("signature"))
			d.Digest = authn.Digest(token)
			l.marks = append(l.marks, moment{at, token})
		}
		page[i] = envelope(at, d)
	}
	return page
}
