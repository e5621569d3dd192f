package main_test

import (
	"net/http"
	"slices"
	"time"
)

// application is what the server tells of an OAuth client.
type application struct {
	ID              string    `json:"id"`
	ClientID        string    `json:"clientId"`
	ClientSecret    string    `json:"clientSecret"`
	Name            string    `json:"name"`
	Description     string    `json:"description"`
	Scopes          []string  `json:"scopes"`
	OrganizationID  string    `json:"organizationId"`
	TokenLifetime   int       `json:"tokenLifetime"`
	SigningAlg      string    `json:"signingAlg"`
	Audience        string    `json:"audience"`
	CreatedAt       time.Time `json:"createdAt"`
	UpdatedAt       time.Time `json:"updatedAt"`
	SecretCreatedAt time.Time `json:"secretCreatedAt"`
}

// settings is the body of a request about an application.
type settings map[string]any

type tokenResponse struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
	Scope       string `json:"scope"`
}

type introspection struct {
	Active   bool   `json:"active"`
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	ClientID string `json:"client_id"`
	Subject  string `json:"sub"`
	ID       string `json:"jti"`
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp"`
	Scope    string `json:"scope"`
}

type applicationList struct {
	Applications []application `json:"applications"`
	NextCursor   string        `json:"nextCursor"`
}

type tokenList struct {
	Tokens []struct {
		ID        string    `json:"jti"`
		IssuedAt  time.Time `json:"issuedAt"`
		ExpiresAt time.Time `json:"expiresAt"`
		Scope     string    `json:"scope"`
	} `json:"tokens"`
	NextCursor string `json:"nextCursor"`
}

// create registers an application of two scopes, or as the settings say.
func (s *server) create(token string, more ...settings) application {
	s.t.Helper()
	body := settings{"name": "Integration", "description": "Made by a test", "scopes": []string{"read:customers", "write:customers"}}
	for _, m := range more {
		for name, value := range m {
			body[name] = value
		}
	}
	return as[application](s.json(http.MethodPost, "/oauth/applications", body, bearer(token)).want(http.StatusCreated))
}

// requestToken asks for a token with client_secret_basic.
func (s *server) requestToken(a application, pairs ...string) answer {
	s.t.Helper()
	return s.form("/oauth/token", append([]string{"grant_type", "client_credentials"}, pairs...), basic(a))
}

// token returns a new token with all that the application may have.
func (s *server) token(a application) string {
	s.t.Helper()
	return as[tokenResponse](s.requestToken(a).ok()).AccessToken
}

// introspect asks with the credentials of an application.
func (s *server) introspect(asker application, token string) introspection {
	s.t.Helper()
	return as[introspection](s.form("/oauth/introspect", []string{"token", token}, basic(asker)).ok())
}

// live and dead check many tokens.
func (s *server) live(asker application, tokens ...string) {
	s.t.Helper()
	s.liveness(asker, true, tokens)
}

func (s *server) dead(asker application, tokens ...string) {
	s.t.Helper()
	s.liveness(asker, false, tokens)
}

func (s *server) liveness(asker application, want bool, tokens []string) {
	s.t.Helper()
	for i, token := range tokens {
		if got := s.introspect(asker, token).Active; got != want {
			s.t.Errorf("token %d of %d: active is %v, want %v", i+1, len(tokens), got, want)
		}
	}
}

// path names an application and what follows it.
func (a application) path(more ...string) string {
	p := "/oauth/applications/" + a.ID
	for _, m := range more {
		p += "/" + m
	}
	return p
}

// list follows an application listing to its end.
func (s *server) list(token, query string) []application {
	s.t.Helper()
	var all []application
	cursor := ""
	for {
		page := as[applicationList](s.get("/oauth/applications?"+query+cursor, bearer(token)).ok())
		all = append(all, page.Applications...)
		if page.NextCursor == "" {
			return all
		}
		cursor = "&cursor=" + page.NextCursor
	}
}

func ids(apps []application) []string {
	var ids []string
	for _, a := range apps {
		ids = append(ids, a.ID)
	}
	slices.Sort(ids)
	return ids
}

// position returns the last applied record, once the server has done by itself
// what a fresh one does: a signing key for every algorithm.
func (s *server) position() uint64 {
	s.t.Helper()
	s.eventually("every algorithm has its key", func() bool { return len(s.publishedKeys()) >= 4 })
	return as[struct {
		Position uint64 `json:"position"`
	}](s.get("/readyz").ok()).Position
}

// publishedKeys returns the JWKS as kid and alg.
func (s *server) publishedKeys() map[string]string {
	s.t.Helper()
	set := as[struct {
		Keys []struct {
			ID        string `json:"kid"`
			Algorithm string `json:"alg"`
		} `json:"keys"`
	}](s.get("/oauth/jwks").ok())
	keys := map[string]string{}
	for _, k := range set.Keys {
		keys[k.ID] = k.Algorithm
	}
	return keys
}
