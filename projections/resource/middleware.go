package resource

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

type claimsKey struct{}

// From returns the claims that the middleware let through.
func From(ctx context.Context) (*Claims, bool) {
	c, ok := ctx.Value(claimsKey{}).(*Claims)
	return c, ok
}

// refusal is an answer of RFC 6750 section 3.1.
type refusal struct {
	status    int
	message   string
	challenge string
}

// challenge writes a WWW-Authenticate value of names and values in turn, with
// the address of the resource's metadata if there is one (RFC 9728 section
// 5.1).
func (v *Verifier) challenge(pairs ...string) string {
	if v.cfg.resource != "" {
		pairs = append(pairs, "resource_metadata", v.MetadataURL())
	}
	var b strings.Builder
	b.WriteString("Bearer")
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(" " + pairs[i] + `="` + pairs[i+1] + `"`)
	}
	return b.String()
}

// authorize decides about a request: a live token with all of the scopes.
func (v *Verifier) authorize(r *http.Request, scopes []string) (*Claims, *refusal) {
	header := r.Header.Values("Authorization")
	if len(header) == 0 {
		return nil, &refusal{http.StatusUnauthorized, "Missing access token", v.challenge()}
	}
	scheme, token, _ := strings.Cut(header[0], " ")
	if len(header) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return nil, &refusal{http.StatusBadRequest, "One bearer token, in the Authorization header", v.challenge("error", "invalid_request", "error_description", "malformed")}
	}
	claims, err := v.Verify(r.Context(), strings.TrimSpace(token))
	switch {
	case errors.Is(err, ErrExpired):
		return nil, v.unauthorized("Token expired")
	case errors.Is(err, ErrRevoked):
		return nil, v.unauthorized("Token revoked")
	case errors.Is(err, ErrInvalid):
		return nil, v.unauthorized("Invalid token")
	case err != nil:
		return nil, &refusal{http.StatusServiceUnavailable, "The token cannot be checked now", ""}
	case slices.ContainsFunc(scopes, func(s string) bool { return !claims.Has(s) }):
		return nil, &refusal{http.StatusForbidden, "Insufficient scope for this endpoint", v.challenge("error", "insufficient_scope", "error_description", "Insufficient scope for this endpoint", "scope", strings.Join(scopes, " "))}
	}
	return claims, nil
}

func (v *Verifier) unauthorized(message string) *refusal {
	return &refusal{http.StatusUnauthorized, message, v.challenge("error", "invalid_token", "error_description", message)}
}

func (f *refusal) headers(h http.Header) {
	h.Set("Cache-Control", "no-store")
	if f.challenge != "" {
		h.Set("WWW-Authenticate", f.challenge)
	}
	if f.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
}

type refusalBody struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// Handler lets requests through to next that bear a live token with all of the
// scopes; next finds its claims with From.
func (v *Verifier) Handler(next http.Handler, scopes ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, refused := v.authorize(r, scopes)
		if refused != nil {
			refused.headers(w.Header())
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(refused.status)
			// Whoever is gone does not get the answer; that is all.
			_ = json.NewEncoder(w).Encode(refusalBody{refused.status, refused.message})
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), claimsKey{}, claims)))
	})
}

// Echo is Handler for Echo.
func (v *Verifier) Echo(scopes ...string) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			claims, refused := v.authorize(c.Request(), scopes)
			if refused != nil {
				refused.headers(c.Response().Header())
				return c.JSON(refused.status, refusalBody{refused.status, refused.message})
			}
			c.SetRequest(c.Request().WithContext(context.WithValue(c.Request().Context(), claimsKey{}, claims)))
			return next(c)
		}
	}
}
