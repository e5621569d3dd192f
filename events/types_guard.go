package events

// Upstream is where the gateway sends an organization's guarded calls. In URL,
// the values of Headers and Body, ${NAME_access_token} stands for the
// organization's live token of the provider NAME.
type Upstream struct {
	Name      string           `json:"name"`
	URL       string           `json:"url"`
	Paths     []string         `json:"paths"`               // as in routes, without a method
	Headers   []UpstreamHeader `json:"headers,omitempty"`   // set on every call
	Body      string           `json:"body,omitempty"`      // sent instead of the caller's; empty: the caller's
	PassToken bool             `json:"passToken,omitempty"` // the caller's Authorization goes along
	Private   bool             `json:"private,omitempty"`   // may be on a loopback, private or link-local address
}

// UpstreamHeader is a header of the calls to an upstream.
type UpstreamHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// UpstreamsSet replaces what the gateway proxies to for an organization.
type UpstreamsSet struct {
	ID        string     `json:"id"` // organization
	Upstreams []Upstream `json:"upstreams"`
}

// UsageRecorded is a replica's account of the calls that its guard judged
// since its last one. Report numbers the replica's accounts from 1, so that one
// that was written twice counts once.
type UsageRecorded struct {
	Report uint64  `json:"report"`
	Usage  []Usage `json:"usage"`
}

// Usage is what one application did in one second of the replica's clock.
type Usage struct {
	Organization string `json:"organization"`
	Application  string `json:"application"`
	Secret       int    `json:"secret,omitempty"` // version behind the tokens; 0: public client
	Second       int64  `json:"second"`           // Unix
	// Admitted calls consumed quota. Negative takes back what an earlier
	// account counted and the log's order refused.
	Admitted int `json:"admitted,omitempty"`
	Errors   int `json:"errors,omitempty"`  // admitted, and answered 400 or above
	Refused  int `json:"refused,omitempty"` // refused by the guard, for the quota or before
}

// The stable names.
func (*UpstreamsSet) EventType() Type  { return "organization.upstreams_set" }
func (*UsageRecorded) EventType() Type { return "usage.recorded" }
