package replay

import (
	"time"

	"github.com/grantlog/grantlog/projections"
)

// Client is whoever tokens are issued to: an application by its id, or a
// service's credential by its client_id.
type Client struct{ Organization, ID string }

// Clients lists every client of a state, by organization.
func Clients(s *projections.State) (clients []Client) {
	for _, organization := range s.Organizations.IDs() {
		for _, a := range s.Applications.After(organization, 0, 0) {
			clients = append(clients, Client{organization, a.ID})
		}
		for _, service := range s.Services.After(organization, 0, 0) {
			clients = append(clients, credentials(service)...)
		}
	}
	return clients
}

func credentials(s *projections.Service) (clients []Client) {
	for _, c := range s.Credentials {
		clients = append(clients, Client{s.Organization, c.ClientID})
	}
	return clients
}

// LiveTokens counts a client's tokens that are live at a time.
func LiveTokens(s *projections.State, client string, now time.Time) (live int) {
	for t := range s.TokensOf(client, nil) {
		if s.Liveness(t, now) == projections.Live {
			live++
		}
	}
	return live
}
