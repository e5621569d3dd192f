package bootstrap

import (
	"context"
	"errors"

	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/projections"
)

// Service is an upstream that is called by its UUID, as a seed file gives it.
// It may be on any address: whoever writes the file chose it.
type Service struct {
	UUID        string
	Profile     string // as Environment, chosen once
	Environment string
	Name        string
	AuthType    string // "oauth" or "none"
	Upstream    string // URL
}

// service makes the log show a service as the seed has it. To turn
// authentication off is a record of its own, after one with other changes.
func (r *seeding) service(ctx context.Context, organization string, s Service) error {
	private := true
	target := command.Target{Organization: organization, ID: s.UUID, Held: []string{command.ScopeAdmin}}
	chosen := command.ServiceSettings{
		Profile: &s.Profile, Environment: &s.Environment, Name: &s.Name,
		AuthType: &s.AuthType, Upstream: &s.Upstream, Private: &private,
	}
	for range 2 {
		err := r.ensure(ctx, func(state *projections.State) (command.Decision, error) {
			return command.EnsureService(state, target, chosen)
		})
		if errors.Is(err, command.ErrServiceDeleted) {
			r.Log.Warn("a seeded service was deleted and stays so; give it another uuid", "organization", organization, "uuid", s.UUID)
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
