package resource

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events/journal/journaltest"
)

// What cannot work is refused at once, and the error says what is needed.
func TestRefusedOptions(t *testing.T) {
	client := WithClient("c", "s")
	for name, c := range map[string]struct {
		issuer string
		opts   []Option
		says   string
	}{
		"no issuer":           {"", []Option{client}, "absolute http or https URL"},
		"issuer without host": {"https://", []Option{client}, "absolute http or https URL"},
		"issuer with a query": {"https://auth.example?x=1", []Option{client}, "absolute http or https URL"},
		"no client":           {"https://auth.example", nil, "WithClient is missing"},
		"no secret":           {"https://auth.example", []Option{WithClient("c", "")}, "an id and a secret"},
		"nil":                 {"https://auth.example", []Option{client, nil}, "nil"},
		"audience":            {"https://auth.example", []Option{client, WithAudience("")}, "leave it out"},
		"no feed":             {"https://auth.example", []Option{client, WithRevocations()}, "SSE or NATS"},
		"feed of nothing":     {"https://auth.example", []Option{client, WithRevocations(SSE(), Feed{})}, "SSE or NATS"},
		"no connection":       {"https://auth.example", []Option{client, WithRevocations(NATS(nil, "acme"))}, "connection"},
		"no age":              {"https://auth.example", []Option{client, WithMaxStaleness(0, Deny)}, "more than 0s"},
		"negative age":        {"https://auth.example", []Option{client, WithMaxStaleness(-time.Second, Deny)}, "more than -1s"},
		"no policy":           {"https://auth.example", []Option{client, WithMaxStaleness(time.Minute, Deny+1)}, "Introspect or Deny"},
		"HTTP client":         {"https://auth.example", []Option{client, WithHTTPClient(nil)}, "needs a client"},
		"clock":               {"https://auth.example", []Option{client, WithClock(nil)}, "needs a clock"},
		"logger":              {"https://auth.example", []Option{client, WithLogger(nil)}, "needs a logger"},
	} {
		if v, err := New(c.issuer, c.opts...); v != nil || err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want it to say %q", name, err, c.says)
		}
	}
	for _, bad := range []string{"", "api.example", "ftp://api.example", "https://api.example?x=1", "https://api.example#f", `https://api.example/"`, "https://u@api.example"} {
		if _, err := New("https://auth.example", client, WithResource(bad, "")); err == nil {
			t.Errorf("%s is taken for a resource", bad)
		}
	}
}

// A subscription is of one organization, and there is none on a connection that
// is closed.
func TestRefusedSubscriptions(t *testing.T) {
	conn := journaltest.New(t).Connect()
	subscribe := func(organization string) error {
		v, err := New("http://127.0.0.1:1", WithClient("c", "s"), WithRevocations(NATS(conn, "acme"), NATS(conn, organization)))
		if err == nil {
			v.Close()
		}
		return err
	}
	for _, bad := range []string{"", "*", ">", "a.b", "a b"} {
		if err := subscribe(bad); err == nil || !strings.Contains(err.Error(), "one organization") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := subscribe("globex"); err != nil {
		t.Error(err)
	}
	if n := conn.NumSubscriptions(); n != 0 {
		t.Errorf("%d subscriptions after Close", n)
	}
	conn.Close()
	if err := subscribe("globex"); err == nil || !strings.Contains(err.Error(), "NATS") {
		t.Errorf("a closed connection: %v", err)
	}
}

// way is how an issuer is reached that never answers.
type way struct {
	asked  chan struct{}
	asking atomic.Int32
}

func (w *way) RoundTrip(r *http.Request) (*http.Response, error) {
	w.asking.Add(1)
	defer w.asking.Add(-1)
	w.asked <- struct{}{}
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// Close ends what New began, also amid a request that is not answered, and waits
// for its end.
func TestClose(t *testing.T) {
	w := &way{asked: make(chan struct{})}
	v, err := New("https://auth.example", WithClient("c", "s"), WithHTTPClient(&http.Client{Transport: w}))
	if err != nil {
		t.Fatal(err)
	}
	<-w.asked
	v.Close()
	if n := w.asking.Load(); n != 0 {
		t.Errorf("%d requests after Close", n)
	}
	v.Close() // once more changes nothing
}

// What is not set is as the documentation says, and the later of two counts.
func TestDefaults(t *testing.T) {
	c, err := newConfig("https://auth.example/", []Option{
		WithMaxStaleness(time.Minute, Deny), WithClient("c", "s"), WithMaxStaleness(30*time.Second, Introspect), WithRevocations(SSE()),
	})
	if err != nil {
		t.Fatal(err)
	}
	defaults, err := newConfig("https://auth.example", []Option{WithClient("c", "s")})
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []config{c, defaults} {
		if got.issuer != "https://auth.example" || got.audience != "https://auth.example" || got.maxStaleness != 30*time.Second || got.beyond != Introspect || len(got.brokers) != 0 {
			t.Errorf("%+v", got)
		}
	}
}
