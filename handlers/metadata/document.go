package metadata

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// server is RFC 8414 section 2. What is empty is left out (section 3.2), but
// for response_types_supported, which the same section requires.
type server struct {
	Issuer                   string   `json:"issuer"`
	Token                    string   `json:"token_endpoint,omitempty"`
	JWKS                     string   `json:"jwks_uri"`
	Introspection            string   `json:"introspection_endpoint,omitempty"`
	Revocation               string   `json:"revocation_endpoint,omitempty"`
	GrantTypes               []string `json:"grant_types_supported,omitempty"`
	ResponseTypes            []string `json:"response_types_supported"`
	Scopes                   []string `json:"scopes_supported,omitempty"`
	TokenAuthMethods         []string `json:"token_endpoint_auth_methods_supported,omitempty"`
	IntrospectionAuthMethods []string `json:"introspection_endpoint_auth_methods_supported,omitempty"`
	RevocationAuthMethods    []string `json:"revocation_endpoint_auth_methods_supported,omitempty"`
}

// provider is OpenID Connect Discovery 1.0 section 3: the same server, and
// what that specification requires besides.
type provider struct {
	server
	UserInfo     string   `json:"userinfo_endpoint,omitempty"`
	SubjectTypes []string `json:"subject_types_supported"`
	SigningAlgs  []string `json:"id_token_signing_alg_values_supported"`
}

// documents renders both forms.
func documents(cfg Config) (serverJSON, providerJSON []byte, err error) {
	at := func(e Mounted) string {
		if e.Path == "" {
			return ""
		}
		return strings.TrimRight(cfg.Issuer, "/") + e.Path
	}
	s := server{
		Issuer: cfg.Issuer,
		Token:  at(cfg.Token), JWKS: at(Mounted{Path: jwksPath}),
		Introspection: at(cfg.Introspection), Revocation: at(cfg.Revocation),
		GrantTypes: cfg.GrantTypes, ResponseTypes: []string{}, Scopes: cfg.Scopes,
		TokenAuthMethods:         cfg.Token.AuthMethods,
		IntrospectionAuthMethods: cfg.Introspection.AuthMethods,
		RevocationAuthMethods:    cfg.Revocation.AuthMethods,
	}
	p := provider{
		server: s, UserInfo: at(cfg.UserInfo),
		SubjectTypes: []string{"public"}, SigningAlgs: append([]string{}, cfg.Algorithms...),
	}
	if serverJSON, err = json.Marshal(s); err != nil {
		return nil, nil, fmt.Errorf("metadata: %w", err)
	}
	if providerJSON, err = json.Marshal(p); err != nil {
		return nil, nil, fmt.Errorf("metadata: %w", err)
	}
	return serverJSON, providerJSON, nil
}

// issuerPath returns the path of an issuer, without a slash at its end, after
// checking that the issuer is one (RFC 8414 section 2): an absolute URL without
// query and fragment. http is accepted for development.
func issuerPath(issuer string) (string, error) {
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return "", fmt.Errorf("metadata: the issuer %q is not an http or https URL", issuer)
	case u.User != nil || strings.ContainsAny(issuer, "?#"):
		return "", fmt.Errorf("metadata: the issuer must have no user, query or fragment")
	case strings.ContainsAny(u.EscapedPath(), ":*%"):
		return "", fmt.Errorf("metadata: the path of issuer %q has a character that routes cannot match", issuer)
	}
	return strings.TrimRight(u.Path, "/"), nil
}
