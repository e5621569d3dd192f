package resource

import (
	"encoding/json"
	"net/http"
	"net/url"
)

// MetadataPath is where the metadata of a resource without a path stand; those
// of another one have its path behind it (RFC 9728 section 3.1).
const MetadataPath = "/.well-known/oauth-protected-resource"

// metadata is a document of RFC 9728 section 2.
type metadata struct {
	Resource string   `json:"resource"`
	Servers  []string `json:"authorization_servers"`
	Methods  []string `json:"bearer_methods_supported"`
	Scopes   []string `json:"scopes_supported,omitempty"`
	Name     string   `json:"resource_name,omitempty"`
}

// checkURL accepts an absolute http or https URL without query and
// fragment, that stands in a challenge as it is.
func checkURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && u.String() == text &&
		u.RawQuery == "" && u.Fragment == "" && !u.ForceQuery
}

// MetadataURL is the address of the metadata; empty without
// WithResource.
func (v *Verifier) MetadataURL() string {
	if v.cfg.resource == "" {
		return ""
	}
	u, err := url.Parse(v.cfg.resource)
	if err != nil {
		return "" // New refused it
	}
	path := u.EscapedPath()
	if path == "/" {
		path = ""
	}
	return u.Scheme + "://" + u.Host + MetadataPath + path
}

// Metadata serves the document that tells clients where to get tokens for this
// resource, and with which scopes. Mount it at MetadataPath, with the path of
// the resource behind it if it has one.
func (v *Verifier) Metadata(scopes ...string) http.Handler {
	document := metadata{
		Resource: v.cfg.resource, Servers: []string{v.cfg.issuer}, Methods: []string{"header"}, Scopes: scopes, Name: v.cfg.name,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "max-age=3600")
		// Whoever is gone does not get the answer; that is all.
		_ = json.NewEncoder(w).Encode(document)
	})
}
