package handlers

import (
	"context"
	"errors"

	"github.com/grantlog/grantlog/handlers/authentications"
	"github.com/grantlog/grantlog/handlers/gateway"
)

// thirdPartyTokens are what ${NAME_access_token} stands for.
func thirdPartyTokens(e *authentications.Endpoint) gateway.Tokens {
	return func(ctx context.Context, organization, provider string) (string, error) {
		token, err := e.Token(ctx, organization, provider)
		if errors.Is(err, authentications.ErrNone) {
			return "", nil
		}
		return token, err
	}
}
