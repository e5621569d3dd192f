package handlers

import (
	"context"
	"net/http"
	"sync"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/handlers/credential"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/enroll"
	"github.com/grantlog/grantlog/projections/follow"
)

// Prepare makes the server able to sign; see keys.Keeper.EnsureFirst.
func (s *Server) Prepare(ctx context.Context) error { return s.keeper.EnsureFirst(ctx) }

// Open lets requests in, once the log holds what the first answer needs.
func (s *Server) Open() { s.open.Store(true) }

// Fresh says whether this replica may answer, and if not, why.
func (s *Server) Fresh() error {
	if err := s.cfg.Follower.Fresh(); err != nil {
		return err
	}
	if !s.open.Load() {
		return follow.ErrNotReady
	}
	return nil
}

// WaitFor waits until this replica shows a position.
func (s *Server) WaitFor(ctx context.Context, position events.Position) error {
	return s.cfg.Follower.WaitFor(ctx, position)
}

// Epoch is the epoch of the log that a position belongs to.
func (s *Server) Epoch(position events.Position) string { return s.cfg.Follower.Epoch(position) }

// Run does the background work of a replica until ctx ends.
func (s *Server) Run(ctx context.Context) {
	var work sync.WaitGroup
	work.Go(func() { s.keeper.Run(ctx) })
	work.Go(func() { s.guard.Run(ctx) })
	work.Go(func() { s.thirdParties.Run(ctx) })
	work.Go(func() { s.webhooks.Run(ctx) })
	work.Go(func() { s.office.Run(ctx) })
	work.Go(func() { s.tokens.Run(ctx) })
	work.Go(func() { s.cfg.Notary.Run(ctx) })
	work.Wait()
	s.passwords.Close()
	s.proxy.Close()
}

// Emitter appends decisions of whoever starts the server: the first
// administrator and the seed file.
func (s *Server) Emitter() *emit.Emitter { return s.emit }

// SeedProvider makes the log show a provider of third-party tokens, as a seed
// file has it.
func (s *Server) SeedProvider(ctx context.Context, organization, name string, settings events.ProviderSettings, secret string) error {
	return s.thirdParties.Seed(ctx, organization, name, settings, secret)
}

// Hash is the keyed digest of client secrets.
func (s *Server) Hash() credential.Hasher { return s.hasher }

// Office enrolls the users of the seed file.
func (s *Server) Office() *enroll.Office { return s.office }

// Applied is told of every record that became visible; see follow.Config.
func (s *Server) Applied(r *journal.Record) {
	if r.Subject == events.KeysSubject() {
		s.keeper.Wake()
	}
	s.feed.Hub().Applied(r)
	s.cfg.Notary.Applied(r)
	s.webhooks.Applied(r)
}

// Handler is the server's HTTP handler.
func (s *Server) Handler() http.Handler { return s.echo }

// Stopping makes /readyz answer 503 from now on and lets the listeners of live
// streams go, who resume elsewhere. It is called once.
func (s *Server) Stopping() {
	s.health.Stop()
	close(s.stopping)
}
