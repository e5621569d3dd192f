package gateway

import (
	"context"
	"net/url"
	"regexp"
	"strings"
)

// placeholder stands for a token of the provider in its group; the form is that
// of upstreams in package command.
var placeholder = regexp.MustCompile(`\$\{([A-Za-z0-9_-]{1,64})_access_token\}`)

// A filler puts tokens into the templates of an upstream. It keeps its first
// error; what it returned then is of no use.
type filler struct {
	ctx          context.Context
	tokens       Tokens
	organization string
	had          map[string]string // by provider
	err          error
}

// in fills a template.
func (f *filler) in(template string, as func(token string) string) string {
	if !strings.Contains(template, "${") {
		return template
	}
	return placeholder.ReplaceAllStringFunc(template, func(match string) string {
		return as(f.token(placeholder.FindStringSubmatch(match)[1]))
	})
}

// token returns the organization's token, one and the same in a whole call.
func (f *filler) token(provider string) string {
	if token, ok := f.had[provider]; ok || f.err != nil {
		return token
	}
	token := ""
	if f.tokens != nil {
		if token, f.err = f.tokens(f.ctx, f.organization, provider); f.err != nil {
			return ""
		}
	}
	if token == "" || !harmless(token) {
		f.err = errNoToken(provider)
		return ""
	}
	if f.had == nil {
		f.had = map[string]string{}
	}
	f.had[provider] = token
	return token
}

// harmless accepts what may stand in a header and between quotes: visible
// ASCII, which access tokens are (RFC 6749 appendix A.12), without quotes and
// backslashes, which they could only have to break out.
func harmless(token string) bool {
	return !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' })
}

func plain(token string) string { return token }

// escape is for every part of a URL.
func escape(token string) string { return strings.ReplaceAll(url.QueryEscape(token), "+", "%20") }
