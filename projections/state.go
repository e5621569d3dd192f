// Package projections owns what is true now: a pure fold of the log's events.
//
// A State is single-threaded: Apply has no clock, no randomness and no I/O, so
// the same records give the same state, and the same Hash, on every machine.
// Whoever shares one among goroutines (package follow) brings the lock.
// Aggregates are immutable values that an event replaces whole; a reader may
// keep a pointer it was given.
package projections

import (
	"fmt"
	"time"

	"github.com/grantlog/grantlog/events"
)

// State is everything that the log up to Position says.
type State struct {
	Position events.Position // last applied record
	Chain    events.Chain    // running hash at Position
	Time     time.Time       // greatest event time so far: the log's own clock

	Organizations *Organizations
	Applications  *Applications
	Services      *Services
	Connections   *Connections
	Webhooks      *Webhooks
	Users         *Users
	Tokens        *Tokens
	Refreshes     *Refreshes
	Usage         *Usage
	Logins        *Logins
	Keys          *Keys
	Requests      *Requests
	Epochs        *Epochs
	Archives      *Archives
}

// New returns the state before the first record.
func New() *State {
	return &State{
		Organizations: newOrganizations(),
		Applications:  newApplications(),
		Services:      newServices(),
		Connections:   newConnections(),
		Webhooks:      newWebhooks(),
		Users:         newUsers(),
		Tokens:        newTokens(),
		Refreshes:     newRefreshes(),
		Usage:         newUsage(),
		Logins:        newLogins(),
		Keys:          newKeys(),
		Requests:      newRequests(),
		Epochs:        newEpochs(),
		Archives:      newArchives(),
	}
}

// at is where and when an event stands.
type at struct {
	position     events.Position
	ordinal      int // place in its page
	time         time.Time
	organization string
	replica      string // who wrote it
	bootstrap    bool   // written to the bootstrap subject, not the aggregate's own
}

// revision is what the guard of the aggregate's own subject will expect.
func (a at) revision() events.Position {
	if a.bootstrap {
		return 0
	}
	return a.position
}

// Record is what Apply needs to know of the page an event stands in.
type Record struct {
	Position events.Position
	Subject  string
}

// Apply folds one event in. ordinal is its place in its page. An event type
// that it does not know is an error: the caller must stop, not skip.
func (s *State) Apply(r Record, ordinal int, e *events.Event) error {
	at := at{
		position: r.Position, ordinal: ordinal, time: e.Time, organization: e.Organization, replica: e.Actor.Replica,
		bootstrap: r.Subject == events.BootstrapSubject(),
	}
	if e.Time.After(s.Time) {
		s.Time = e.Time
		s.Tokens.expire(s.Time)
		s.Refreshes.sweep(s.Time)
		s.Usage.sweep(s.Time)
		s.Logins.sweep(s.Time)
		s.Requests.sweep(s.Time)
	}
	s.Webhooks.note(r, at)
	if s.Void(at.position, at.ordinal) {
		return nil
	}
	switch d := e.Data.(type) {
	case *events.TokenIssued:
		s.issue(at, d)
		s.presented(at, d)
	case *events.TokenRevoked:
		s.revoke(at, d)
	case *events.RefreshIssued:
		s.beginFamily(at, d)
	case *events.RefreshPresented:
		s.presentRefresh(at, d)
	case *events.RefreshFamilyEnded:
		s.Refreshes.endFamily(at, d)
	case *events.OrganizationCreated:
		s.Organizations.create(at, d)
	case *events.OrganizationUpdated:
		s.Organizations.update(at, d)
	case *events.OrganizationDisabled:
		s.Organizations.disable(at, d)
	case *events.OrganizationEnabled:
		s.Organizations.enable(at, d)
	case *events.ScopesSet:
		s.Organizations.setScopes(at, d)
	case *events.UpstreamsSet:
		s.Organizations.setUpstreams(at, d)
	case *events.OrganizationTokensRevoked:
		s.Organizations.endTokens(at, d)
	case *events.ApplicationCreated:
		s.Applications.create(at, d)
	case *events.ApplicationUpdated:
		s.Applications.update(at, d)
	case *events.SecretRotated:
		s.Applications.rotate(at, d)
	case *events.ApplicationTokensRevoked:
		s.Applications.endTokens(at, d)
	case *events.ApplicationDisabled:
		s.Applications.disable(at, d)
	case *events.ApplicationEnabled:
		s.Applications.enable(at, d)
	case *events.ApplicationDeleted:
		s.Applications.remove(at, d)
		s.forget(d.ID)
	case *events.ServiceCreated:
		s.Services.create(at, d)
	case *events.ServiceUpdated:
		s.Services.update(at, d)
	case *events.ServiceAuthEnabled:
		s.Services.enableAuth(at, d)
	case *events.ServiceAuthDisabled:
		s.Services.disableAuth(at, d)
	case *events.ServiceCredentialAdded:
		s.Services.addCredential(at, d)
	case *events.ServiceCredentialRemoved:
		s.Services.removeCredential(at, d)
	case *events.ServiceDeleted:
		s.Services.remove(at, d)
	case *events.ProviderSet:
		s.Connections.setProvider(at, d)
	case *events.ProviderRemoved:
		s.Connections.removeProvider(at, d)
	case *events.AuthenticationAdded:
		s.Connections.add(at, d)
	case *events.AuthenticationLeased:
		s.Connections.lease(at, d)
	case *events.AuthenticationRefreshed:
		s.Connections.refresh(at, d)
	case *events.AuthenticationFailed:
		s.Connections.fail(at, d)
	case *events.AuthenticationRemoved:
		s.Connections.remove(at, d)
	case *events.WebhookCreated:
		s.Webhooks.create(at, d)
	case *events.WebhookLeased:
		s.Webhooks.lease(at, d)
	case *events.WebhookAdvanced:
		s.Webhooks.advance(at, d)
	case *events.WebhookFailed:
		s.Webhooks.fail(at, d)
	case *events.WebhookDied:
		s.Webhooks.die(at, d)
	case *events.WebhookResumed:
		s.Webhooks.resume(at, d)
	case *events.WebhookDeleted:
		s.Webhooks.remove(at, d)
	case *events.UserCreated:
		s.Users.create(at, d)
	case *events.UserUpdated:
		s.Users.update(at, d)
	case *events.UserPasswordChanged:
		s.Users.changePassword(at, d)
	case *events.UserDisabled:
		s.Users.disable(at, d)
	case *events.UserEnabled:
		s.Users.enable(at, d)
	case *events.UserDeleted:
		s.Users.remove(at, d)
	case *events.UserErased:
		s.Users.erased(at, d)
	case *events.LoginFailed:
		s.Logins.fail(at, d)
	case *events.KeyCreated:
		s.Keys.create(at, d)
	case *events.KeyActivated:
		s.Keys.activate(at, d)
	case *events.KeyRetired:
		s.Keys.retire(at, d)
	case *events.SealingKeyCreated:
		s.Keys.addSealing(at, d)
	case *events.UsageRecorded:
		s.account(at, d)
	case *events.RequestKeyed:
		s.keyRequest(at, d)
	case *events.LogRestored:
		s.Epochs.start(at, d)
	case *events.LogArchived:
		s.Archives.add(at, d)
	case *events.BeaconSent:
	default:
		return fmt.Errorf("projections: no fold for %s version %d", e.Type, e.Version)
	}
	return nil
}
