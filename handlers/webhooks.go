package handlers

import (
	"github.com/grantlog/grantlog/handlers/metrics"
	"github.com/grantlog/grantlog/handlers/sign"
	"github.com/grantlog/grantlog/handlers/webhooks"
)

func (s *Server) webhooksEndpoint(vault *sign.Vault) *webhooks.Endpoint {
	cfg := s.cfg
	wired := webhooks.Config{
		Authn: s.callers, Emit: s.emit, AsOf: s.past, Cursors: s.cursors, Repeats: s.repeats, Sealers: vault, Sign: s.signer.Sign, Issuer: cfg.Issuer,
		Replica: cfg.Journal.Replica(), Position: cfg.Follower.Position, First: cfg.Journal.First, Begins: s.log.state, Endings: s.feed.After, Fresh: s.Fresh,
		GiveUp: cfg.WebhookGiveUp, Stopping: s.stopping, Log: cfg.Log,
	}
	if cfg.Metrics == nil {
		return webhooks.New(wired)
	}
	wired.Observe = cfg.Metrics.Push
	e := webhooks.New(wired)
	cfg.Metrics.Webhooks(func() (groups []metrics.Webhooks) {
		for _, g := range e.Groups() {
			groups = append(groups, metrics.Webhooks{Status: g.Status, Count: g.Count, Lag: uint64(g.Lag)})
		}
		return groups
	})
	return e
}
