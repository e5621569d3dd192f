package replay

import (
	"fmt"
	"strconv"
	"time"

	"github.com/grantlog/grantlog/events"
)

// secretPlace is where the event stands that made a version of a secret. The
// first version comes with its application.
func secretPlace(application string, version int) string {
	return "secret " + application + " " + strconv.Itoa(version)
}

// linkOf describes an event that a token may depend on. Its place is what it
// is for: of two events in one place, a token depends on the later. Endings
// are described only where they give something new; that they end something is
// the trail's to tell.
func (f *finder) linkOf(e *events.Event) (place string, link Link) {
	switch d := e.Data.(type) {
	case *events.ApplicationCreated:
		what := fmt.Sprintf("%s registered as %s", d.ClientID, quoted(d.Name))
		if d.Secret != nil {
			what += ", secret version 1"
		}
		return "application " + d.ID, Link{Role: "application", What: what}
	case *events.ApplicationUpdated:
		return "settings " + d.ID, Link{Role: "application", What: "settings changed"}
	case *events.SecretRotated:
		a, ok := f.state.Applications.Get(d.ID)
		if !ok {
			return "", Link{}
		}
		what := fmt.Sprintf("secret version %d", a.Versions)
		if !d.EndsAt.IsZero() {
			what += ", former ones until " + d.EndsAt.UTC().Format(time.RFC3339Nano)
		}
		return secretPlace(d.ID, a.Versions), Link{Role: "secret", What: what}
	case *events.ServiceCreated:
		return "service " + d.ID, Link{Role: "service", What: fmt.Sprintf("service %s in %s/%s", quoted(d.Name), d.Profile, d.Environment)}
	case *events.ServiceCredentialAdded:
		return "credential " + d.ClientID, Link{Role: "credential", What: "credential " + d.ClientID}
	case *events.UserCreated:
		return "user " + d.ID, Link{Role: "user", What: "user added"}
	case *events.RefreshIssued:
		return "family " + d.Family, Link{Role: "refresh", What: "refresh tokens until " + time.Unix(d.ExpiresAt, 0).UTC().Format(time.RFC3339)}
	case *events.RefreshPresented:
		return "presentation " + d.Family, Link{Role: "refresh", What: "refresh token presented"}
	case *events.UserPasswordChanged:
		return "password " + d.ID, Link{Role: "user", What: "password changed"}
	case *events.KeyCreated:
		return "key " + d.ID, Link{Role: "key", What: d.Algorithm + " key published"}
	case *events.KeyActivated:
		return "activation " + d.ID, Link{Role: "key", What: "key signs from here"}
	case *events.KeyRetired:
		return "retirement " + d.ID, Link{Role: "key", What: "key retired"}
	}
	return "", Link{}
}

// quoted keeps a name of somebody's choice from being read as anything else.
func quoted(name string) string { return strconv.QuoteToGraphic(name) }
