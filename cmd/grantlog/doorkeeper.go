package main

import (
	"crypto/subtle"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/grantlog/grantlog/events"
)

// doorkeeper decides who is who on an embedded NATS with a listener: this
// process, by a password that it made at its start, may do everything; whoever
// comes without credentials may subscribe to revocations; nobody else comes in.
type doorkeeper struct{ user, password string }

var _ server.Authentication = (*doorkeeper)(nil)

// Check implements server.Authentication.
func (d *doorkeeper) Check(c server.ClientAuthentication) bool {
	given := c.GetOpts()
	if given.Username == "" && given.Password == "" && given.Token == "" && given.JWT == "" && given.Nkey == "" {
		c.RegisterUser(&server.User{Username: "consumer", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Deny: []string{">"}},
			Subscribe: &server.SubjectPermission{Allow: []string{events.RevocationsSubject("*")}},
		}})
		return true
	}
	if given.Username != d.user || subtle.ConstantTimeCompare([]byte(given.Password), []byte(d.password)) != 1 {
		return false
	}
	c.RegisterUser(&server.User{Username: d.user})
	return true
}
